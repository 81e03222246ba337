"""Tables of proxy runs: one row a run, the shares of each domain, the losses on each target.

A CSV file with the columns ``run``, ``share/<domain>`` …, ``loss/<target>`` …; a design is the same
table without losses.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .errors import ConfigError
from .files import whole

SHARE, LOSS = "share/", "loss/"
_Line = tuple[int, list[str]]


@dataclass(frozen=True)
class RunTable:
    """Runs of proxy models.

    Attributes:
        names: one per run, distinct.
        domains: one per column of ``mixtures``.
        mixtures: float64[runs, domains], each row on the simplex.
        targets: one per column of ``losses``.
        losses: float64[runs, targets], nats per token.
    """

    names: list[str]
    domains: list[str]
    mixtures: NDArray[np.float64]
    targets: list[str]
    losses: NDArray[np.float64]

    def write(self, path: Path) -> None:
        """Write as CSV; numbers survive the round trip exactly."""
        header = ["run", *(SHARE + d for d in self.domains), *(LOSS + t for t in self.targets)]
        with whole(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            for name, mixture, losses in zip(self.names, self.mixtures, self.losses, strict=True):
                writer.writerow([name, *map(repr, map(float, (*mixture, *losses)))])

    @classmethod
    def read(cls, path: str | Path) -> RunTable:
        """Read a table of runs, or a design.

        Raises:
            ConfigError: not there, no share columns, or a cell that is no number.
        """
        try:
            with Path(path).open(newline="", encoding="utf-8-sig") as file:
                reader = csv.reader(file)
                lines = [(reader.line_num, row) for row in reader if row]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise ConfigError(f"{path}: cannot be read as a CSV file: {error}") from error
        header = lines[0][1] if lines else []
        twice = sorted({column for column in header if header.count(column) > 1})
        if twice:
            raise ConfigError(f"{path}: column {twice[0]!r} is there more than once.")
        shares = [c for c in header if c.startswith(SHARE)]
        losses = [c for c in header if c.startswith(LOSS)]
        if not shares:
            raise ConfigError(
                f"{path}: no column starts with {SHARE!r}. A table of runs has columns run, "
                f"{SHARE}<domain> …, {LOSS}<target> …. Found {header}."
            )
        body = lines[1:]
        return cls(
            names=_names(body, header),
            domains=[c.removeprefix(SHARE) for c in shares],
            mixtures=_numbers(path, body, header, shares),
            targets=[c.removeprefix(LOSS) for c in losses],
            losses=_numbers(path, body, header, losses),
        )


def _names(body: list[_Line], header: Sequence[str]) -> list[str]:
    if "run" not in header:
        return [f"{i:03d}" for i in range(len(body))]
    return [row[header.index("run")] for _, row in body]


def _numbers(
    path: str | Path, body: list[_Line], header: list[str], columns: list[str]
) -> NDArray[np.float64]:
    places = [header.index(column) for column in columns]
    out = np.empty((len(body), len(columns)))
    for i, (line, row) in enumerate(body):
        for j, place in enumerate(places):
            try:
                out[i, j] = float(row[place])
                if not math.isfinite(out[i, j]):
                    raise ValueError
            except (ValueError, IndexError) as error:
                found = row[place] if place < len(row) else "nothing"
                raise ConfigError(
                    f"{path}, line {line}, column {columns[j]!r}: no number: {found!r}."
                ) from error
    return out
