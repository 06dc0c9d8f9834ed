"""A command and a file of tests, as targets."""

load("@rules_python//python:defs.bzl", "py_binary", "py_test")

# Else every folder of a program would become a package, tests/ too.
_AS_IT_IS = {"legacy_create_init": 0}

def command(name, deps):
    """Makes a program of the module `name`, which `python -m` runs, too."""
    main = name.replace(".", "_") + "_main.py"
    native.genrule(
        name = name + ".main",
        srcs = ["//tests/bazel:command.py"],
        outs = [main],
        cmd = "sed s/MODULE/%s/ $< > $@" % name,
    )
    py_binary(
        name = name,
        srcs = [main],
        main = main,
        deps = deps,
        **_AS_IT_IS
    )

def test(name, srcs, deps, data, **kwargs):
    """Makes a target of a file of tests; each has tests/conftest.py.

    Args:
        name: Of the file, without .py.
        srcs: Other files of tests that it imports.
        deps: What it imports of ours, and what it runs.
        data: What it reads.
        **kwargs: Of py_test.
    """
    main = "//tests/bazel:run_tests.py"
    py_test(
        name = name,
        srcs = [name + ".py", main] + srcs,
        args = ["tests/%s.py" % name],
        data = ["//:pyproject.toml"] + data,
        main = main,
        deps = [":conftest"] + deps,
        **dict(_AS_IT_IS, **kwargs)
    )
