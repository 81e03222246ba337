"""Reads tables of curves, which may come from anywhere, and says what is wrong in them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .curves import COLUMNS, SHARE, Curves, FloatArray, IntArray, diverged_of
from .errors import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa

_ROUNDING = 0.01  # published mixtures and numbers of tokens are rounded


def read_curves(path: str | Path, table: pa.Table) -> Curves:
    """The runs of a table; see `Curves.read`."""
    rows = _Rows(path, table)
    rows.check()
    order = np.lexsort((rows.target, rows.step, rows.run))
    ends = np.searchsorted(rows.run[order], np.arange(len(rows.runs) + 1))
    all_steps, all_losses = [], []
    for run, (start, end) in enumerate(pairwise(ends.tolist())):
        steps, losses = rows.curve(run, order[start:end])
        all_steps.append(steps)
        all_losses.append(losses)
    first = rows.first
    return Curves(
        runs=rows.runs,
        domains=rows.domains,
        mixtures=rows.shares[first],
        targets=rows.targets,
        parameters=rows.parameters[first],
        seeds=rows.seed[first],
        tokens_per_step=rows.rates(),
        all_steps=tuple(all_steps),
        all_losses=tuple(all_losses),
        diverged=diverged_of(table),
    )


class _Rows:
    """Columns of a table as arrays, runs and targets numbered as they come."""

    def __init__(self, path: str | Path, table: pa.Table) -> None:
        self.path = path
        names = table.column_names
        missing = [name for name in COLUMNS if name not in names]
        shares = [name for name in names if name.startswith(SHARE)]
        if missing or not shares:
            raise ConfigError(
                f"{path}: no column {(missing or [SHARE + '<domain>'])[0]!r}. A table of curves "
                f"has the columns run, {SHARE}<domain> …, parameters, tokens, step, seed, domain, "
                f"loss. Found {', '.join(names[:12]) or 'nothing'}."
            )
        if not len(table):
            raise ConfigError(f"{path}: holds no rows. Did every run diverge?")
        self.domains = [name.removeprefix(SHARE) for name in shares]
        self.runs, self.run = _numbered(self._texts(table, "run"))
        self.targets, self.target = _numbered(self._texts(table, "domain"))
        self.shares = np.column_stack([self._floats(table, name) for name in shares])
        self.loss = self._floats(table, "loss")
        self.parameters, self.tokens, self.step = (
            self._whole(table, name) for name in ("parameters", "tokens", "step")
        )
        has_seed = "seed" in names
        self.seed = self._whole(table, "seed") if has_seed else np.zeros(len(table), np.int64)
        self.first = np.unique(self.run, return_index=True)[1]

    def check(self) -> None:
        """That shares make mixtures, and that what a run has once is the same on all its rows.

        Raises:
            ConfigError: they do not.
        """
        self._refuse((self.shares < 0).any(axis=1), "a share cannot be negative")
        totals = self.shares.sum(axis=1)
        off = np.abs(totals - 1) > _ROUNDING
        if off.any():
            hint = "Is a column of shares missing, or one too many?"
            if np.allclose(totals, 100, rtol=_ROUNDING):
                hint = "They look like percentages: divide them by 100."
            total = totals[int(np.argmax(off))]
            self._refuse(off, f"the shares sum to {total:.4g}, not to one within 1%. {hint}")
        whose = self.first[self.run]
        self._refuse(
            (self.shares != self.shares[whose]).any(axis=1),
            "the run has another mixture on an earlier row. Give each run one name, and the "
            "mixture over the whole of it",
        )
        for name in ("parameters", "seed"):
            values = getattr(self, name)
            self._refuse(
                values != values[whose],
                f"{name!r} of the run is another on an earlier row. Give each run a name of its "
                f"own",
            )
        self._refuse(self.parameters < 1, "'parameters' must be at least 1")
        self._refuse(self.step < 0, "'step' cannot be negative")
        self._refuse((self.tokens < 0) | ((self.tokens == 0) & (self.step > 0)), "no 'tokens' read")
        rates = self.rates()[self.run]
        off = np.abs(self.tokens - self.step * rates) > _ROUNDING * self.step * rates + 1
        self._refuse(
            off,
            "'tokens' is not in proportion to 'step' within the run. Give tokens read up to the "
            "step",
        )

    def curve(self, run: int, own: NDArray[np.intp]) -> tuple[IntArray, FloatArray]:
        """Steps and losses of a run.

        Args:
            run: its number.
            own: its rows, by step and then target.

        Raises:
            ConfigError: a step that is there twice, or not for every target.
        """
        steps, counts = np.unique(self.step[own], return_counts=True)
        place = np.searchsorted(steps, self.step[own])
        losses = np.full((len(steps), len(self.targets)), np.nan)
        losses[place, self.target[own]] = self.loss[own]
        again = (np.diff(place) == 0) & (np.diff(self.target[own]) == 0)
        if again.any():
            row = int(own[1:][again][0])
            raise ConfigError(
                f"{self._where(row)}: step {self.step[row]:,} is there twice for "
                f"{self.targets[self.target[row]]!r}."
            )
        if (counts != len(self.targets)).any():
            at, target = (int(i) for i in np.argwhere(np.isnan(losses))[0])
            raise ConfigError(
                f"{self.path}: run {self.runs[run]!r} has no loss of {self.targets[target]!r} at "
                f"step {steps[at]:,}. Measure every domain at each step, or leave the run out."
            )
        return steps, losses

    def rates(self) -> FloatArray:
        """Tokens per step of each run, by its last step; 0 where that is step 0."""
        order = np.lexsort((self.step, self.run))
        last = order[np.searchsorted(self.run[order], np.arange(len(self.runs)), "right") - 1]
        rates: FloatArray = self.tokens[last] / np.maximum(1, self.step[last])
        return rates

    def _texts(self, table: pa.Table, name: str) -> list[str]:
        found = ["" if value is None else str(value) for value in table[name].to_pylist()]
        empty = next((i for i, text in enumerate(found) if not text), None)
        if empty is not None:
            raise ConfigError(f"{self.path}, row {empty + 1}, column {name!r}: empty. Fill it in.")
        return found

    def _floats(self, table: pa.Table, name: str) -> FloatArray:
        """A column of finite numbers."""
        import pyarrow as pa

        column = table[name]
        try:
            values = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        except pa.ArrowException as error:
            raise ConfigError(
                f"{self.path}, column {name!r}: wanted numbers, found {column.type}."
            ) from error
        found = np.asarray(values, np.float64)
        lost = np.flatnonzero(~np.isfinite(found))
        if len(lost):
            row = int(lost[0])
            raise ConfigError(
                f"{self._where(row)}, column {name!r}: wanted a number, found "
                f"{column[row].as_py()!r}. Leave out the rows of a run that diverged."
            )
        return found

    def _whole(self, table: pa.Table, name: str) -> IntArray:
        found = self._floats(table, name)
        off = found != np.rint(found)
        if off.any():
            row = int(np.argmax(off))
            raise ConfigError(
                f"{self._where(row)}, column {name!r}: wanted a whole number, found {found[row]:g}."
            )
        return found.astype(np.int64)

    def _refuse(self, wrong: Any, said: str) -> None:
        if wrong.any():
            raise ConfigError(f"{self._where(int(np.argmax(wrong)))}: {said}.")

    def _where(self, row: int) -> str:
        return f"{self.path}, row {row + 1} (run {self.runs[self.run[row]]!r})"


def _numbered(texts: list[str]) -> tuple[list[str], NDArray[np.int64]]:
    """Distinct texts as they first come, and the place of each among them."""
    places: dict[str, int] = {}
    found = np.array([places.setdefault(text, len(places)) for text in texts], np.int64)
    return [*places], found
