"""Files of runs: cells by column, numbers checked, and the line that each row came from."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .curves import LOSS, SHARE, Curves, holds_curves, open_table
from .errors import ConfigError

NAMES = ("run", "index")
"""Columns that name a run, the first that is there."""

_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """The rows of a CSV file, as text, or those of a Parquet file.

    Attributes:
        path: of the file.
        header: the names of the columns, distinct.
        lines: the line of the file each row ends on, counted from 1; or what else names it.
        rows: the cells; a short row lacks its last ones.
        unit: what ``lines`` are.
    """

    path: str
    header: list[str]
    lines: Sequence[int | str]
    rows: list[list[str]]
    unit: str = "line"

    @classmethod
    def read(cls, path: str | Path) -> Sheet:
        """Read a CSV file; blank lines are no rows. A Parquet file by its name (.parquet).

        Of a table of curves the rows are the last steps of its runs, losses as columns.

        Raises:
            ConfigError: not there, not such a file, or a column that is there twice.
        """
        if Path(path).suffix == ".parquet":
            return cls._read_parquet(path)
        try:
            with Path(path).open(newline="", encoding="utf-8-sig") as file:
                reader = csv.reader(file)
                read = [(reader.line_num, row) for row in reader if row]
        except FileNotFoundError as error:
            raise ConfigError(f"{path} is not there.") from error
        except IsADirectoryError as error:
            raise ConfigError(
                f"{path} is a directory. Name the table in it: a CSV file, or Parquet."
            ) from error
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise ConfigError(f"{path}: cannot be read as a CSV file: {error}") from error
        header = [name.strip() for name in read[0][1]] if read else []
        _check_distinct(path, header)
        body = read[1:]
        return cls(
            path=str(path),
            header=header,
            lines=[line for line, _ in body],
            rows=[row for _, row in body],
        )

    @classmethod
    def _read_parquet(cls, path: str | Path) -> Sheet:
        table = open_table(path)
        if holds_curves(table.column_names):
            return cls._last_steps(path, Curves.read(path))
        _check_distinct(path, table.column_names)
        columns = [[_cell(value) for value in column.to_pylist()] for column in table.columns]
        return cls(
            path=str(path),
            header=table.column_names,
            lines=range(1, len(table) + 1),
            rows=[list(row) for row in zip(*columns, strict=True)],
            unit="row",
        )

    @classmethod
    def _last_steps(cls, path: str | Path, curves: Curves) -> Sheet:
        """One row a run: its last losses, and what laws read beside the shares."""
        shares, losses = [SHARE + d for d in curves.domains], [LOSS + t for t in curves.targets]
        rows = []
        for i, run in enumerate(curves.runs):
            step = int(curves.steps(i)[-1])
            counts = (curves.parameters[i], round(step * curves.tokens_per_step[i]), step)
            numbers = (*counts, curves.seeds[i], *curves.losses(i)[-1])
            rows.append([run, *map(_cell, curves.mixtures[i].tolist()), *map(_cell, numbers)])
        return cls(
            path=str(path),
            header=["run", *shares, "parameters", "tokens", "step", "seed", *losses],
            lines=[repr(run) for run in curves.runs],
            rows=rows,
            unit="run",
        )

    def where(self, row: int) -> str:
        """A row as an error names it."""
        return f"{self.path}, {self.unit} {self.lines[row]}"

    def texts(self, column: str) -> list[str]:
        """The cells of a column; empty where a row is too short."""
        place = self.header.index(column)
        return [row[place] if place < len(row) else "" for row in self.rows]

    def numbers(self, columns: Sequence[str]) -> NDArray[np.float64]:
        """The cells of several columns, float64[rows, columns].

        Raises:
            ConfigError: a cell that is no finite number, with its line and column.
        """
        places = [self.header.index(column) for column in columns]
        out = np.empty((len(self.rows), len(columns)))
        for i, row in enumerate(self.rows):
            for j, place in enumerate(places):
                try:
                    out[i, j] = float(row[place])
                    if not math.isfinite(out[i, j]):
                        raise ValueError
                except (ValueError, IndexError) as error:
                    found = repr(row[place]) if place < len(row) else "nothing"
                    raise ConfigError(
                        f"{self.where(i)}, column {columns[j]!r}: wanted a number, found {found}. "
                        "Fill it in, or leave the run out."
                    ) from error
        return out

    def names(self) -> list[str]:
        """The name of each row; numbers from 000 on where no column of `NAMES` is there."""
        column = next((name for name in NAMES if name in self.header), None)
        return [f"{i:03d}" for i in range(len(self.rows))] if column is None else self.texts(column)

    def join(self, other: Sheet) -> tuple[Sheet, Sheet, list[str]]:
        """The rows of both sheets that name the same run, in this one's order.

        Returns:
            This sheet and the other, row by row of the same run, and what was left out, in words.

        Raises:
            ConfigError: no common column that names runs, a name that is there twice, or no run
                that is in both.
        """
        key = next((k for k in NAMES if k in self.header and k in other.header), None)
        if key is None:
            raise ConfigError(
                f"{self.path} and {other.path} have no column in common that names the runs: give "
                f"both one of {', '.join(NAMES)}."
            )
        mine, theirs = self._by(key), other._by(key)
        both = [name for name in mine if name in theirs]
        if not both:
            raise ConfigError(f"{self.path} and {other.path} have no {key} in common.")
        left_out = [
            f"{sheet.path}: {absent} without a row in {where.path}, left out."
            for sheet, rows, where in ((self, mine, other), (other, theirs, self))
            if (absent := sheet.listed([rows[n] for n in rows if n not in both]))
        ]
        return (
            self._pick([mine[name] for name in both]),
            other._pick([theirs[name] for name in both]),
            left_out,
        )

    def listed(self, rows: Sequence[int]) -> str:
        """Rows as people name them: "lines 3, 8 and 9"; empty where there are none."""
        lines = [str(self.lines[row]) for row in rows[:_SHOWN]]
        if len(rows) > _SHOWN:
            lines.append(f"{len(rows) - _SHOWN:,} more")
        if len(lines) < 2:
            return "".join(f"{self.unit} {line}" for line in lines)
        return f"{self.unit}s {', '.join(lines[:-1])} and {lines[-1]}"

    def _by(self, key: str) -> dict[str, int]:
        rows: dict[str, int] = {}
        for row, name in enumerate(map(str.strip, self.texts(key))):
            if name in rows:
                raise ConfigError(
                    f"{self.path}: {key} {name!r} is there twice, on "
                    f"{self.listed([rows[name], row])}."
                )
            rows[name] = row
        return rows

    def _pick(self, rows: Sequence[int]) -> Sheet:
        return replace(self, lines=[self.lines[i] for i in rows], rows=[self.rows[i] for i in rows])


def _check_distinct(path: str | Path, header: Sequence[str]) -> None:
    twice = sorted({column for column in header if header.count(column) > 1})
    if twice:
        raise ConfigError(f"{path}: column {twice[0]!r} is there more than once.")


def _cell(value: object) -> str:
    """A value as a CSV file holds it, which numbers survive exactly."""
    if isinstance(value, np.generic):
        value = value.item()
    return "" if value is None else str(value)
