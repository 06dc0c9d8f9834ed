"""What serving/ deploys, read for the tests."""

import json
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
import yaml

ROOT = pathlib.Path(__file__).parents[1]
FOLDER = ROOT / "serving"
TEMPLATE = FOLDER / "nginx.conf.template"
MANIFESTS = sorted((FOLDER / "kubernetes").glob("*.yaml"))


def read_yaml(name):
    return yaml.safe_load((FOLDER / name).read_text())


# In a process of its own: Docker's parser brings all of Go along.
_PARSE = """
import dockerfile, json, sys
found = dockerfile.parse_file(sys.argv[1])
print(json.dumps([(each.cmd, each.value) for each in found]))
"""
DOCKERFILE = json.loads(
    subprocess.run(
        [sys.executable, "-c", _PARSE, FOLDER / "Dockerfile"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
)
COMPOSE = read_yaml("compose.yaml")
SERVICES = COMPOSE["services"]
OBJECTS = {
    document["kind"]: document
    for path in MANIFESTS
    for document in yaml.safe_load_all(path.read_text())
}
POD = OBJECTS["Deployment"]["spec"]["template"]["spec"]
CONTAINERS = {each["name"]: each for each in POD["containers"]}


def commands(name):
    """Returns the values of all Dockerfile commands of a name."""
    return [tuple(value) for cmd, value in DOCKERFILE if cmd == name]


FLAGS = dict(flag.removeprefix("--").split("=") for flag in commands("CMD")[-1])


def variables(container):
    """Returns the environment of a service or of a container."""
    if "environment" in container:
        return container["environment"]
    return {each["name"]: each["value"] for each in container["env"]}


def fill(values):
    """Returns nginx's configuration: does what envsubst does for ${NAME}."""
    text = TEMPLATE.read_text()
    for name, value in values.items():
        text = text.replace(f"${{{name}}}", str(value))
    return text


def run(*line):
    """Returns what a tool prints; skips where this machine has none.

    Raises:
        AssertionError: If the tool fails, with what it said.
    """
    if not shutil.which(line[0]):
        pytest.skip(f"no {line[0]} on this machine")
    done = subprocess.run(
        list(map(str, line)), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# In prose, it has such variables too.
UNFILLED = re.compile(r"^[^#\n]*\$\{", re.MULTILINE)
