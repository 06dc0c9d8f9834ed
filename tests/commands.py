"""Runs commands in forks of a process that has TensorFlow already.

Importing it is most of what a short command takes: 4 seconds. All else is as by
`python -m`.
"""

import atexit
import multiprocessing
import os
import pathlib
import runpy
import subprocess
import sys
import tempfile
import warnings

ROOT = pathlib.Path(__file__).parents[1]
ANYWHERE = {"PYTHONPATH": str(ROOT)}  # Finds percgen from any folder.
_SECONDS = 300
_WITHOUT = ("serving.client",)  # TensorFlow.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tensorflow", "keras"])


def run(module, *arguments, fresh=False, before=None, cwd=ROOT):
    """Runs a command of ours to its end.

    Args:
        module: After `python -m`.
        *arguments: Made text.
        fresh: Starts an interpreter for it, which says what importing says.
        before: A function of a module, called in the command's process first.
        cwd: The folder it runs in.

    Returns:
        A `subprocess.CompletedProcess`, of text.
    """
    line = [sys.executable, "-m", module, *map(str, arguments)]
    if fresh or (module in _WITHOUT and not before):
        return subprocess.run(
            line,
            cwd=cwd,
            env={**os.environ, **ANYWHERE, "PYTHONWARNINGS": "default"},
            capture_output=True,
            text=True,
            preexec_fn=before,
            timeout=_SECONDS,
            check=False,
        )
    with tempfile.TemporaryDirectory() as folder:
        told = [pathlib.Path(folder) / name for name in ("stdout", "stderr")]
        given = (line[2:], told, before, cwd)
        process = _FORKS.Process(target=_run, args=given)
        process.start()
        process.join(_SECONDS)
        if process.is_alive():
            process.kill()
            raise subprocess.TimeoutExpired(line, _SECONDS)
        texts = [path.read_text() for path in told]
    return subprocess.CompletedProcess(line, process.exitcode, *texts)


def _run(line, told, before, cwd):
    for number, path in enumerate(told, 1):
        with path.open("wb") as file:
            os.dup2(file.fileno(), number)
    os.chdir(cwd)
    os.environ.update(ANYWHERE)
    sys.path.insert(0, str(ROOT))
    warnings.simplefilter("default")
    sys.argv = line
    if before:
        before()
    try:
        runpy.run_module(line[0], run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()  # Which a fork would leave out.


def flags_alone():
    """Lets a command read its flags and do nothing; for `before`."""
    from percgen import command

    run = command.run
    command.run = lambda main, *rest, **options: run(
        lambda *_: None, *rest, **options
    )
