"""Runs MODULE as `python -m` does, where `bazel run` was typed."""

import os
import runpy

if __name__ == "__main__":
    os.chdir(os.environ.get("BUILD_WORKING_DIRECTORY", "."))
    runpy.run_module("MODULE", run_name="__main__", alter_sys=True)
