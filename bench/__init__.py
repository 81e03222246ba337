"""Benchmarks: `python -m bench.NAME` prints a table for people and, last, one JSON object."""
