"""Benchmarks: commands that measure, print a table and draw it."""

import os

# Before any library reads it: PyTorch's threads stall on small machines.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from percgen import command  # noqa: E402

command.import_tensorflow()
