"""How every benchmark ends: a table for people, then one flat JSON object."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path


def finish(
    columns: Sequence[str], rows: Sequence[Sequence[object]], figures: dict[str, float]
) -> None:
    """Print the table, then the figures as the last line."""
    if rows:
        print_table(columns, rows)
    print(json.dumps({name: float(f"{value:.5g}") for name, value in figures.items()}))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print one table, the first column to the left, numbers to the right."""
    cells = [list(columns), *([_cell(v) for v in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    for row in cells:
        first, *rest = (
            c.ljust(w) if not i else c.rjust(w)
            for i, (c, w) in enumerate(zip(row, widths, strict=True))
        )
        print("  ".join([first, *rest]).rstrip())


def _cell(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def peak_mb() -> float:
    """The most memory that this process ever held, in MB.

    That is VmHWM; `ru_maxrss` begins at that of the process that started this one.
    """
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024
