"""What README.md, docs/ and the cards say is so."""

import ast
import importlib.util
import pathlib
import re
import shlex

import commands
import pytest
import tensorflow as tf

ROOT = pathlib.Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
DOCS = sorted(ROOT.glob("docs/*.md"))
PATHS = [
    ROOT / "README.md",
    *DOCS,
    ROOT / "serving/README.md",
    *sorted(ROOT.glob("percgen/pretrained/*.md")),
]
PAGES = [path.read_text() for path in PATHS]
HOUSE = ("train", "serving", "benchmarks")
# Of other programs only the files that they are given are looked at.
OTHERS = ("source", "tensorboard", "docker", "kubectl", "curl")
MADE = "serving/secrets"
LACKING = r"flag --\w+=None: Flag --\w+ must have a value other than None\."
SCRIPT = re.compile(r"^python - <<'END'\n(.*?)^END$", re.DOTALL | re.MULTILINE)


def blocks(text, language):
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def scripts(text):
    """Returns the Python that a page gives to a shell."""
    return SCRIPT.findall("".join(blocks(text, "sh")))


def whole(text):
    """Returns the commands of a page's blocks, in words."""
    shell = SCRIPT.sub("", "".join(blocks(text, "sh"))).replace("\\\n", " ")
    split = [shlex.split(x, comments=True) for x in shell.splitlines()]
    return {tuple(words) for words in split if words}


def named(text):
    """Returns the commands within sentences, which leave out what they may."""
    found = re.findall(r"`(python -m [^`]+)`", text)
    return {tuple(shlex.split(command)) for command in found}


def of_all(find):
    """Returns what is found in all pages, each once, for parameters."""
    found = sorted({one for page in PAGES for one in find(page)})
    return pytest.mark.parametrize("words", found, ids=" ".join)


def try_flags(words):
    """Lets a command of ours read its flags; returns what it complains of."""
    module, *arguments = words[2:]
    assert importlib.util.find_spec(module), module
    if module.split(".")[0] not in HOUSE:
        return ""
    done = commands.run(module, *arguments, before=commands.flags_alone)
    if done.returncode == 0:
        return ""
    _, colon, complaint = done.stderr.partition(f"{module}: error:")
    assert colon, done.stderr
    return complaint.strip()


def test_its_python_trains(photographs):
    code_blocks = blocks(README, "python")
    data = tf.data.Dataset.from_tensors((photographs, photographs)).repeat(12)
    names = {}
    assert len(code_blocks) == 2
    for code in code_blocks:
        exec(code.replace('"imagenet"', '"random"'), names)
        generator = names["generator"]
        before = generator.evaluate(data.take(1), verbose=0, return_dict=True)
        generator.fit(data, verbose=0, shuffle=False)
        after = generator.evaluate(data.take(1), verbose=0, return_dict=True)
        assert after["loss"] < 0.9 * before["loss"]
    assert after["psnr"] > 10


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_the_python_of_a_page_runs(page):
    names = {"__name__": "page"}
    for code in blocks(page.read_text(), "python"):
        exec(code, names)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_its_links_lead_to_files(path):
    for link in re.findall(r"\]\(([^)#]+)", path.read_text()):
        assert "://" in link or (path.parent / link).exists(), link


def test_its_scripts_import_what_there_is():
    found = [script for page in PAGES for script in scripts(page)]
    assert found
    for script in found:
        tree = ast.parse(script)
        tree.body = [x for x in tree.body if isinstance(x, ast.ImportFrom)]
        exec(compile(tree, "page", "exec"), {})


@of_all(whole)
def test_a_command_can_be_given(words):
    """Each command of a block: its program exists, and takes its flags."""
    if words[:2] == ("python", "-m"):
        assert not try_flags(words)
    elif words[0] == "make":
        makefile = (ROOT / "Makefile").read_text()
        for target in (word for word in words[1:] if "=" not in word):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    else:
        program = words[0]
        ours = (ROOT / program).is_file() or "=$(" in program
        assert ours or program in OTHERS
        for word in words[1:]:
            path = word.rpartition("=")[2]
            if path.startswith("serving/") and not path.startswith(MADE):
                assert (ROOT / path).exists(), path


@of_all(named)
def test_a_command_that_is_named_has_its_flags(words):
    assert not re.sub(LACKING, "", try_flags(words)).strip()


def test_a_wrong_command_would_be_seen():
    for wrong in (
        "train.stylize --style_picture=x.jpg",
        "train.deepsim --workdir=x --flagfile=train/settings/none.flags",
        "train.evaluate --reference=Set5 more",
    ):
        assert try_flags(("python", "-m", *wrong.split())), wrong


def test_its_map_is_the_tree():
    named = set(re.findall(r"(\w+\.py)\b", README))
    files = {
        path.name
        for folder in ("percgen", "train", "serving")
        for path in (ROOT / folder).rglob("*.py")
        if path.name != "__init__.py"
    }
    others = {
        path.name
        for folder in ("tests", "benchmarks")
        for path in (ROOT / folder).iterdir()
    } | {"__init__.py"}
    assert files <= named <= files | others
