"""Benchmarks: commands that measure, print a table and draw it."""
