"""The house: every import goes to a floor or a package that BUILD allows."""

import ast
import functools
import importlib
import importlib.metadata
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PACKAGES = ("percgen", "train", "serving", "benchmarks")
FILES = sorted(
    path for folder in PACKAGES for path in (ROOT / folder).rglob("*.py")
)
ANY_BACKEND = (
    "ops",
    "losses",
    "comparators",
    "networks",
    "metrics",
    "compat",
)


LOCK = ROOT / "tests" / "bazel" / "requirements_lock.txt"
LOCKED = dict(re.findall(r"^([\w.-]+)==(\S+)$", LOCK.read_text(), re.MULTILINE))
# Not imported, but used: see BUILD.
SILENT = {"train": {"tensorboard"}}


def read_build():
    """Returns which target owns each file, and the deps of each target.

    Those within the house, and those of others.
    """
    owner, deps, others = {}, {}, {}
    for call in ast.walk(ast.parse((ROOT / "BUILD").read_text())):
        if getattr(getattr(call, "func", None), "id", None) != "py_library":
            continue
        rule = {keyword.arg: keyword.value for keyword in call.keywords}
        name = ast.literal_eval(rule["name"])
        listed = ast.literal_eval(rule.get("deps", ast.List([])))
        deps[name] = {
            dep.removeprefix(":") for dep in listed if "@pypi//" not in dep
        }
        others[name] = {
            dep.removeprefix("@pypi//") for dep in listed if "@pypi//" in dep
        }
        sources = rule["srcs"]
        for pattern in ast.literal_eval(getattr(sources, "args", [sources])[0]):
            owner.update(dict.fromkeys(ROOT.glob(pattern), name))
    return owner, deps, others


OWNER, DEPS, OTHERS = read_build()


def below(target):
    """Returns the targets that a target may import, itself included."""
    found, queue = {target, "percgen"}, [target]
    while queue:
        new = DEPS[queue.pop()] - found
        found |= new
        queue += new
    return found


def imports(source):
    """Returns the names of all modules that a source imports."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def owners(source):
    """Returns the targets that own what a source imports from the house."""
    found = set()
    for name in imports(source):
        parts = name.split(".")
        while parts and parts[0] in PACKAGES:
            path = ROOT.joinpath(*parts)
            file = (
                path / "__init__.py"
                if path.is_dir()
                else path.with_suffix(".py")
            )
            if file.exists():
                found.add(OWNER[file])
                break
            parts.pop()
    return found


@functools.cache
def distributions():
    """Returns the packages of requirements.txt that have a module, by it."""
    found = importlib.metadata.packages_distributions()
    found["google"] = ["protobuf"]  # Of several, the one that we import.
    return {
        module: {label(name) for name in names} & set(map(label, LOCKED))
        for module, names in found.items()
    }


def label(name):
    """Returns a package's name as Bazel has it."""
    return re.sub(r"[-.]", "_", name).lower()


def packages(source):
    """Returns the packages of others that a source imports."""
    roots = {name.split(".")[0] for name in imports(source)}
    return set().union(*(distributions().get(root, set()) for root in roots))


def test_build_owns_every_file():
    assert set(OWNER) == set(FILES)
    assert {dep for names in DEPS.values() for dep in names} <= set(DEPS)


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_a_file_imports_only_from_below(file):
    assert owners(file.read_text()) <= below(OWNER[file])


@pytest.mark.parametrize("target", DEPS)
def test_a_target_names_what_it_imports_and_no_more(target):
    sources = [file.read_text() for file in FILES if OWNER[file] == target]
    house = set().union(*map(owners, sources)) - {target}
    package = {"percgen", "serving_package"}  # What __init__.py is in.
    assert house <= DEPS[target] <= house | package
    imported = set().union(*map(packages, sources))
    assert imported | SILENT.get(target, set()) == OTHERS[target]


@pytest.mark.parametrize(
    ("target", "forbidden"),
    [
        ("losses", "from percgen import comparators"),  # Sideways.
        ("ops", "import percgen.losses.feature"),  # Upwards.
        ("tasks", "from percgen.networks.residual import StyleGenerator"),
        ("client", "from percgen import export"),
    ],
)
def test_a_wrong_import_would_be_seen(target, forbidden):
    assert not owners(forbidden) <= below(target)


@pytest.mark.parametrize(
    "file",
    [file for file in FILES if OWNER[file] in ANY_BACKEND],
    ids=lambda f: str(f.relative_to(ROOT)),
)
def test_lower_floors_run_on_any_backend(file):
    roots = {name.split(".")[0] for name in imports(file.read_text())}
    assert "tensorflow" not in roots


def test_the_client_loads_no_tensorflow():
    code = (
        "import sys, serving.client_command, serving.protocol as protocol;"
        "protocol.message('PredictRequest');"
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_what_installs_is_percgen_alone():
    tomllib = importlib.import_module("tomllib")
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = settings["tool"]["setuptools"]["packages"]
    folders = {
        ".".join(file.parent.relative_to(ROOT).parts)
        for file in FILES
        if file.name == "__init__.py" and file.is_relative_to(ROOT / "percgen")
    }
    assert set(packages) == folders
