"""Stands in for what MODULE.bazel fetches.

Rules are those within Bazel, which versions before 8 have. Packages are names
alone: they come from the interpreter that is found first, `make`'s .venv.
"""

_RULES = {
    "cc": [
        "cc_binary",
        "cc_library",
        "cc_test",
        "cc_toolchain",
        "cc_toolchain_suite",
    ],
    "java": ["java_import", "java_runtime", "java_toolchain"],
    "python": ["py_binary", "py_library", "py_test"],
}

# Bazel asks for these before any test, and uses them for coverage alone.
_COVERAGE = """
package(default_visibility = ["//visibility:public"])
filegroup(name = "coverage_report_generator")
filegroup(name = "lcov_merger")
"""

_PACKAGE = """
package(default_visibility = ["//visibility:public"])
py_library(name = "%s")
"""

def _native_rules(context):
    context.file("BUILD", _COVERAGE)
    for language, rules in _RULES.items():
        lines = ["%s = native.%s" % (rule, rule) for rule in rules]
        context.file(language + "/BUILD")
        context.file(language + "/defs.bzl", "\n".join(lines))

native_rules = repository_rule(implementation = _native_rules)

def _installed_packages(context):
    for line in context.read(context.attr.lock).splitlines():
        name, pinned, _ = line.partition("==")
        if pinned and not line.startswith("#"):
            name = name.lower().replace("-", "_").replace(".", "_")
            context.file(name + "/BUILD", _PACKAGE % name)

installed_packages = repository_rule(
    implementation = _installed_packages,
    attrs = {"lock": attr.label(allow_single_file = True)},
)
