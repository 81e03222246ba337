"""Tables of proxy runs: one row a run, the shares of each domain, the losses on each target.

A CSV or Parquet file with the columns ``run``, ``share/<domain>`` …, ``loss/<target>`` …, or with
other prefixes; a design is the same table without losses. Further columns are kept as they are:
``parameters`` or ``tokens`` of each run, which some laws read. A table of curves (see `curves`) is
read as the last step of each run.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .curves import LOSS, SHARE
from .errors import ConfigError
from .files import whole
from .sheets import Sheet

__all__ = ["LOSS", "SHARE", "Columns", "RunTable"]

_ROUNDING = 0.01  # published mixtures are rounded


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Which columns of a table hold shares, and which hold losses.

    Attributes:
        share_prefix: what a column of shares starts with; the rest is the domain.
        loss_prefix: what a column of losses starts with; the rest is the target.
        shares: columns of shares by name, with or without the prefix, in place of all that have it.
        losses: columns of losses by name, likewise.
    """

    share_prefix: str = SHARE
    loss_prefix: str = LOSS
    shares: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()

    def of_shares(self, sheet: Sheet) -> dict[str, str]:
        """The column of each domain.

        Raises:
            ConfigError: none there, or not the one that was named.
        """
        found = _find(sheet, self.share_prefix, self.shares)
        if not found:
            raise ConfigError(
                f"{sheet.path}: no column starts with {self.share_prefix!r}. A table of runs has "
                f"columns run, {SHARE}<domain> …, {LOSS}<target> …; give --share-prefix, or name "
                f"the columns with --share. Found {_columns(sheet)}."
            )
        return found

    def of_losses(self, sheet: Sheet) -> dict[str, str]:
        """The column of each target; none of a design.

        Raises:
            ConfigError: a named one is not there, or is a column of shares, too.
        """
        found = _find(sheet, self.loss_prefix, self.losses)
        shares = _find(sheet, self.share_prefix, ()).values() if found else ()
        both = [c for c in found.values() if c in shares and not self.shares]
        if both:
            raise ConfigError(f"{sheet.path}: column {both[0]!r} is both a share and a loss.")
        return found


@dataclass(frozen=True)
class RunTable:
    """Runs of proxy models.

    Attributes:
        names: one per run, distinct.
        domains: one per column of ``mixtures``.
        mixtures: float64[runs, domains], each row on the simplex, within 1 % as files round it.
        targets: one per column of ``losses``.
        losses: float64[runs, targets], in one unit, such as nats per token.
        sheets: the files it was read from, row by row; none for a table that was made.
        left_out: runs that only one of two files holds, in words.
    """

    names: list[str]
    domains: list[str]
    mixtures: NDArray[np.float64]
    targets: list[str]
    losses: NDArray[np.float64]
    sheets: tuple[Sheet, ...] = field(default=(), repr=False)
    left_out: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    def write(self, path: Path) -> None:
        """Write as CSV; numbers survive the round trip exactly."""
        header = ["run", *(SHARE + d for d in self.domains), *(LOSS + t for t in self.targets)]
        with whole(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            for name, mixture, losses in zip(self.names, self.mixtures, self.losses, strict=True):
                writer.writerow([name, *map(repr, map(float, (*mixture, *losses)))])

    @classmethod
    def read(
        cls, path: str | Path, columns: Columns | None = None, losses: str | Path | None = None
    ) -> RunTable:
        """Read a table of runs, or a design.

        Args:
            path: CSV file, or Parquet by its name.
            columns: where shares and losses are; by the usual prefixes if not given.
            losses: file of the losses, where they are apart: joined by ``run`` or ``index``.

        Raises:
            ConfigError: not there, no share columns, a cell that is no number, a negative share,
                or shares that do not sum to one within 1 %; names the line.
        """
        columns = columns or Columns()
        sheet = apart = Sheet.read(path)
        left_out: list[str] = []
        if losses is not None:
            sheet, apart, left_out = sheet.join(Sheet.read(losses))
        of_shares, of_losses = columns.of_shares(sheet), columns.of_losses(apart)
        mixtures = sheet.numbers([*of_shares.values()])
        _check_shares(sheet, [*of_shares.values()], mixtures)
        return cls(
            names=sheet.names(),
            domains=[*of_shares],
            mixtures=mixtures,
            targets=[*of_losses],
            losses=apart.numbers([*of_losses.values()]),
            sheets=(sheet,) if apart is sheet else (sheet, apart),
            left_out=tuple(left_out),
        )

    def has(self, column: str) -> bool:
        """Whether there is such a column beside shares and losses."""
        return any(column in sheet.header for sheet in self.sheets)

    def covariates(self, columns: Sequence[str]) -> NDArray[np.float64]:
        """Further columns as numbers, float64[runs, columns].

        Raises:
            ConfigError: a column that is not there, or a cell that is no number > 0.
        """
        out = np.empty((len(self), len(columns)))
        for place, column in enumerate(columns):
            sheet = next((s for s in self.sheets if column in s.header), None)
            if sheet is None:
                found = _columns(self.sheets[0]) if self.sheets else []
                raise ConfigError(
                    f"The law reads a column {column!r} of every run, and there is none. "
                    f"Found {found}."
                )
            values = sheet.numbers([column])[:, 0]
            if (values <= 0).any():
                row = int(np.argmax(values <= 0))
                raise ConfigError(
                    f"{sheet.where(row)}, column {column!r}: wanted a number > 0, found "
                    f"{values[row]:g}."
                )
            out[:, place] = values
        return out

    def texts(self, column: str) -> list[str]:
        """The cells of a column that is there beside shares and losses."""
        return next(s.texts(column) for s in self.sheets if column in s.header)

    def duplicates(self, apart: Iterable[Sequence[str]] = ()) -> list[str]:
        """What rows hold one mixture, in words with their lines.

        Args:
            apart: further columns; rows that differ in them are no duplicates.
        """
        if not self.sheets:
            return []
        codes = [np.unique(cells, return_inverse=True)[1] for cells in apart]
        rows_of = np.column_stack([self.mixtures.round(9), *codes])
        _, group, size = np.unique(rows_of, axis=0, return_inverse=True, return_counts=True)
        sheet = self.sheets[0]
        rows = [np.flatnonzero(group.ravel() == one).tolist() for one in np.flatnonzero(size > 1)]
        rows.sort()
        said = [f"{sheet.path}: {sheet.listed(same)} hold the same mixture." for same in rows[:3]]
        if len(rows) > 3:
            said.append(f"{sheet.path}: {len(rows) - 3:,} more mixtures are there several times.")
        return said


def _find(sheet: Sheet, prefix: str, named: tuple[str, ...]) -> dict[str, str]:
    """The column of each domain or target, by its name without the prefix."""
    if not named:
        return {c.removeprefix(prefix): c for c in sheet.header if c.startswith(prefix)}
    found = {}
    for name in named:
        column = next((c for c in (name, prefix + name) if c in sheet.header), None)
        if column is None:
            raise ConfigError(
                f"{sheet.path}: no column {name!r} or {prefix + name!r}. Found {_columns(sheet)}."
            )
        found[name.removeprefix(prefix)] = column
    return found


def _columns(sheet: Sheet) -> str:
    shown = sheet.header[:12]
    more = f" and {len(sheet.header) - 12} more" if len(sheet.header) > 12 else ""
    return f"{', '.join(shown) or 'nothing'}{more}"


def _check_shares(sheet: Sheet, columns: list[str], mixtures: NDArray[np.float64]) -> None:
    if (mixtures < 0).any():
        row, column = (int(i) for i in np.argwhere(mixtures < 0)[0])
        raise ConfigError(
            f"{sheet.where(row)}, column {columns[column]!r}: a share cannot be negative, found "
            f"{mixtures[row, column]:g}."
        )
    totals = mixtures.sum(axis=1)
    off = np.flatnonzero(np.abs(totals - 1) > _ROUNDING).tolist()
    if off:
        hint = "Is a column of shares missing, or one too many?"
        if np.allclose(totals, 100, rtol=_ROUNDING):
            hint = "They look like percentages: divide them by 100."
        rest = sheet.listed(off[1:])
        also = f" So it is on {rest}." if rest else ""
        raise ConfigError(
            f"{sheet.where(off[0])}: the shares sum to {totals[off[0]]:.4g}, not to one within "
            f"{_ROUNDING:.0%}.{also} {hint}"
        )
