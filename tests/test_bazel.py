"""Bazel: every test and command is a target, which names what it needs."""

import pathlib
import re
import shutil
import subprocess
import sys

import pytest
import test_architecture as house

import percgen

ROOT = pathlib.Path(__file__).parents[1]
TESTS = ROOT / "tests"
COMMAND = re.compile(r"\b(train|serving|benchmarks)\.(\w+)")


def called(path):
    """Returns the calls of a BUILD file by name, and its tables."""
    calls = {}

    def take(name, srcs=(), deps=(), **_):
        assert name not in calls, name
        calls[name] = {"srcs": list(srcs), "deps": list(deps)}

    names = dict.fromkeys(("py_library", "command", "test", "filegroup"), take)
    names["glob"] = lambda include, exclude=(): include
    for silent in ("load", "package", "exports_files"):
        names[silent] = lambda *_, **__: None
    exec(compile(path.read_text(), path, "exec"), names)
    return calls, names


TARGETS, TABLES = called(TESTS / "BUILD")
# What pages tell to run is not in the test of them.
READ = {
    "test_demo": {"//:client"},
    "test_readme": {"//:benchmarks", "//:serving"},
}


def files(name):
    """Returns the Python files of a target of tests."""
    own = [f"{name}.py"] if name in TABLES["DEPS"] else []
    sources = own + TARGETS[name]["srcs"]
    return [TESTS / file for file in sources if file.endswith(".py")]


HELPERS = {
    path.stem: f":{name}"
    for name in TARGETS
    if name not in TABLES["DEPS"]
    for path in files(name)
}


def needs(source):
    """Returns the targets whose modules a test imports, or runs."""
    modules = {name.split(".")[0] for name in house.imports(source)}
    modules |= set(re.findall(r"tests/(\w+)\.py", source))
    run = {ROOT / a / f"{b}.py" for a, b in COMMAND.findall(source)}
    owners = house.owners(source)
    owners |= {house.OWNER[file] for file in run & set(house.OWNER)}
    helpers = {HELPERS[module] for module in modules & set(HELPERS)}
    return helpers - {":conftest"} | {f"//:{name}" for name in owners}


def given(target):
    """Returns the packages of others that a target of tests is given."""
    found, queue = set(), [":conftest", *target["deps"]]
    while queue:
        dep = queue.pop()
        if dep.startswith("@pypi//"):
            found.add(dep.removeprefix("@pypi//"))
        elif dep.startswith("//:"):
            below = house.below(dep.removeprefix("//:"))
            found |= set().union(*(house.OTHERS[name] for name in below))
        else:
            queue += TARGETS[dep.removeprefix(":")]["deps"]
    return found


def test_every_test_is_a_target():
    there = {path.stem for path in TESTS.glob("test_*.py")}
    assert set(TABLES["DEPS"]) == there
    helpers = {path.stem for path in TESTS.glob("*.py")} - there
    # What wrote tests/addons, in an environment of its own.
    assert helpers == set(HELPERS) | {"record_addons"}
    for table in ("DATA", "WITH", "SMALL", "LARGE", "MANUAL"):
        assert set(TABLES[table]) <= there


@pytest.mark.parametrize("name", TABLES["DEPS"])
def test_a_test_names_what_it_needs_and_no_more(name):
    source = (TESTS / f"{name}.py").read_text()
    needed = needs(source) | READ.get(name, set())
    deps = set(TABLES["DEPS"][name])
    others = {dep for dep in deps if dep.startswith("@pypi//")}
    assert deps - others == needed
    imported = re.findall(
        r"^ *(?:import|from) (test_\w+)", source, re.MULTILINE
    )
    assert {f"{x}.py" for x in imported} == set(TABLES["WITH"].get(name, []))


@pytest.mark.parametrize("name", TARGETS)
def test_packages_of_tests_are_named(name):
    for path in files(name):
        assert house.packages(path.read_text()) <= given(TARGETS[name])


def test_every_command_is_a_target():
    targets, _ = called(ROOT / "BUILD")
    assert {name for name in targets if "." in name} == {
        f"{file.parent.name}.{file.stem}"
        for file in house.FILES
        if 'if __name__ == "__main__"' in file.read_text()
    }


def test_the_module_is_percgen():
    text = (ROOT / "MODULE.bazel").read_text()
    assert f'version = "{percgen.__version__}"' in text
    assert len(set(re.findall(r'python_version = "(.+)"', text))) == 1


def test_the_lock_has_the_pins():
    text = (ROOT / "requirements.txt").read_text()
    pins = re.findall(r"^([\w.-]+)(?:\[\w+\])?==(\S+)", text, re.MULTILINE)
    assert len(pins) > 20
    assert dict(pins).items() <= house.LOCKED.items()


# A later Bazel would fetch all that it needs.
@pytest.mark.skipif(not shutil.which("bazel-4"), reason="needs Debian's Bazel")
def test_make_bazel():
    done = subprocess.run(
        [
            "make",
            "bazel",
            "READY=",
            f"VENV={sys.prefix}",
            "ARGS=//tests:test_ops",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "fails where no target names :resizing" in done.stdout
