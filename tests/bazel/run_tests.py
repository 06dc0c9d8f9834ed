"""Runs a file of tests by pytest, as Bazel asks for it."""

import os
import sys

import pytest


def main():
    line = [*sys.argv[1:], "-p", "no:cacheprovider"]
    if name := os.environ.get("TESTBRIDGE_TEST_ONLY"):  # --test_filter=NAME
        line += ["-k", name]
    if path := os.environ.get("XML_OUTPUT_FILE"):
        line += [f"--junitxml={path}"]
    return pytest.main(line)


if __name__ == "__main__":
    # Python follows links to this file, and would import what lies beside it,
    # past the folder in which Bazel puts what a test depends on.
    beside = os.path.dirname(os.path.realpath(__file__))
    sys.path[:] = [path for path in sys.path if path != beside]
    sys.exit(main())
