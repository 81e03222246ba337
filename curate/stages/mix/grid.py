"""The same mixtures at several sizes and steps: curves of runs as one array of losses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ConfigError

if TYPE_CHECKING:
    from ...curves import Curves

FloatArray = NDArray[np.float64]

_Mixture = tuple[float, ...]

_ROUNDING = 0.01  # of the tokens read in a step, as tables from elsewhere round them
_DIGITS = 6  # of a share: mixtures that agree so far are one


@dataclass(frozen=True, kw_only=True)
class Which:
    """Which steps of the runs count.

    Attributes:
        first: the first step, such as the one after the warm-up.
        last: the last step, such as the one before the decay; None for no limit.
        ends: only the last step of each run.
    """

    first: int = 1
    last: int | None = None
    ends: bool = False

    def __post_init__(self) -> None:
        if self.last is not None and self.last < self.first:
            raise ConfigError(
                f"Steps from {self.first:,} to {self.last:,} are none. Give a later --to-step."
            )

    def of(self, steps: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of a run's steps, bool[steps], those in increasing order."""
        kept: NDArray[np.bool_] = (steps >= max(self.first, 1)) & (
            steps <= (np.inf if self.last is None else self.last)
        )
        if self.ends:
            kept &= steps == steps.max(initial=0)
        return kept


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Losses of mixtures by size and step; those of several seeds are averaged.

    Attributes:
        names: one per mixture, distinct: that of its smallest run, the first seed.
        domains: one per share.
        targets: one per loss.
        mixtures: float64[mixtures, domains].
        sizes: float64[sizes], parameters, increasing.
        tokens: float64[steps], read up to the step, increasing.
        losses: float64[mixtures, sizes, steps, targets], NaN where one is missing.
        tokens_per_step: None where runs differ.
        n_runs: that went into it.
        warnings: about the runs, in sentences.
    """

    names: list[str]
    domains: list[str]
    targets: list[str]
    mixtures: FloatArray
    sizes: FloatArray
    tokens: FloatArray
    losses: FloatArray
    tokens_per_step: float | None
    n_runs: int
    warnings: list[str]

    @classmethod
    def read(cls, paths: Sequence[str | Path], which: Which) -> Grid:
        """The runs of one or several tables of curves.

        Raises:
            ConfigError: tables of different domains or targets, or no step that counts.
        """
        from ...curves import Curves

        return cls.of([(str(path), Curves.read(path)) for path in paths], which)

    @classmethod
    def of(cls, tables: Sequence[tuple[str, Curves]], which: Which) -> Grid:
        """The runs of tables that were read, each with its name for messages."""
        where, first = tables[0]
        found = _Collected(which=which)
        for path, table in tables:
            by_domain = _order(first.domains, table.domains, "domains", where, path)
            by_target = _order(first.targets, table.targets, "targets", where, path)
            found.add(table, by_domain, by_target)
        if not found.cells:
            raise ConfigError(f"{where}: no run has a step that counts. Give another --from-step.")
        return cls(
            domains=list(first.domains), targets=list(first.targets), **found.as_arrays()
        ).usable()

    def usable(self) -> Grid:
        """Without what no law can use: series of one step among several, mixtures of one size.

        Raises:
            ConfigError: nothing is left.
        """
        losses, warnings = self.losses.copy(), list(self.warnings)
        if len(self.tokens) > 1:
            short = np.isfinite(losses).sum(axis=2, keepdims=True) == 1
            losses = np.where(short, np.nan, losses)
            dropped = int(short.any(axis=(2, 3)).sum())
            if dropped:
                warnings.append(f"Left out, with one step only: {dropped:,} of the curves.")
        there = np.any(np.isfinite(losses), axis=2)  # [mixtures, sizes, targets]
        if not there.any():
            raise ConfigError(
                "Each mixture has one step only at each size, and these differ between the sizes. "
                "A step law needs two steps of a size; a size law alone, one step of all sizes."
            )
        n_sizes = int(np.any(there, axis=(0, 2)).sum())
        mixtures = there.sum(axis=1).min(axis=1) >= min(2, n_sizes)
        if not mixtures.any():
            raise ConfigError(
                "No mixture has losses on every target at two sizes. Run the same design at each "
                "size, or give the runs of one size alone."
            )
        losses = losses[mixtures]
        sizes, tokens = (np.isfinite(losses).any(axis=axes) for axes in ((0, 2, 3), (0, 1, 3)))
        if not mixtures.all():
            lost = [name for name, kept in zip(self.names, mixtures, strict=True) if not kept]
            wanted = "two sizes" if n_sizes > 1 else "two steps"
            warnings.append(f"Left out, for want of {wanted}: {listed(lost)}.")
        return replace(
            self,
            names=[name for name, kept in zip(self.names, mixtures, strict=True) if kept],
            mixtures=self.mixtures[mixtures],
            sizes=self.sizes[sizes],
            tokens=self.tokens[tokens],
            losses=losses[:, sizes][:, :, tokens],
            warnings=warnings,
        )


@dataclass(kw_only=True)
class _Collected:
    """Runs as they are read, by mixture, size and tokens."""

    which: Which
    names: dict[_Mixture, str] = field(default_factory=dict)
    exact: dict[_Mixture, FloatArray] = field(default_factory=dict)
    cells: dict[tuple[_Mixture, int, int, float], list[FloatArray]] = field(default_factory=dict)
    ends: dict[tuple[_Mixture, int], set[int]] = field(default_factory=dict)
    rates: set[float] = field(default_factory=set)
    n_runs: int = 0
    diverged: list[str] = field(default_factory=list)

    def add(self, table: Curves, by_domain: list[int], by_target: list[int]) -> None:
        self.diverged += table.diverged
        # From the smallest size on, so that the name of a mixture is that of its smallest run.
        for i in np.lexsort((table.seeds, table.parameters)).tolist():
            steps, losses = table.steps(i), table.losses(i)[:, by_target]
            use = self.which.of(steps)
            if not use.any():
                continue
            mixture = table.mixtures[i, by_domain]
            key = tuple(mixture.round(_DIGITS).tolist())
            size, rate = int(table.parameters[i]), float(table.tokens_per_step[i])
            if key not in self.names:
                self.names[key], self.exact[key] = self._unused(table.runs[i]), mixture
            self.ends.setdefault((key, size), set()).add(int(steps.max()))
            self.rates.add(rate)
            self.n_runs += 1
            for step, own in zip(steps[use].tolist(), losses[use], strict=True):
                self.cells.setdefault((key, size, step, rate), []).append(own)

    def as_arrays(self) -> dict[str, Any]:
        """What `Grid` holds of them."""
        exact = _alike(self.rates)
        cells: dict[tuple[_Mixture, int, int], list[FloatArray]] = {}
        for (key, size, step, rate), seeds in self.cells.items():
            cells.setdefault((key, size, round(step * exact[rate])), []).extend(seeds)
        sizes = sorted({size for _, size, _ in cells})
        tokens = sorted({amount for *_, amount in cells})
        row = {key: i for i, key in enumerate(self.names)}
        n_targets = len(next(iter(cells.values()))[0])
        losses = np.full((len(row), len(sizes), len(tokens), n_targets), np.nan)
        for (key, size, amount), seeds in cells.items():
            losses[row[key], sizes.index(size), tokens.index(amount)] = np.mean(seeds, axis=0)
        rates = {*exact.values()}
        return {
            "names": [*self.names.values()],
            "mixtures": np.array([*self.exact.values()]),
            "sizes": np.array(sizes, np.float64),
            "tokens": np.array(tokens, np.float64),
            "losses": losses,
            "tokens_per_step": rates.pop() if len(rates) == 1 else None,
            "n_runs": self.n_runs,
            "warnings": self._warnings(),
        }

    def _unused(self, name: str) -> str:
        """The name, numbered where another mixture of another table has it."""
        tried, number = name, 2
        while tried in self.names.values():
            tried, number = f"{name}-{number}", number + 1
        return tried

    def _warnings(self) -> list[str]:
        said = []
        if self.diverged:
            said.append(f"Left out, as they diverged: {listed(self.diverged)}.")
        if not self.which.ends and any(len(own) > 1 for own in self.ends.values()):
            said.append(
                "Some mixtures ran for several lengths at one size, and all their steps are used. "
                "Where the learning rate decays over a run, only the ends compare: --ends."
            )
        return said


def _alike(rates: set[float]) -> dict[float, float]:
    """Tokens per step as they are, and the first of those that differ by rounding alone."""
    found: dict[float, float] = {}
    first = 0.0
    for rate in sorted(rates):
        first = first if rate <= first * (1 + _ROUNDING) else rate
        found[rate] = first
    return found


def listed(names: Sequence[str], most: int = 5) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _order(
    wanted: Sequence[str], found: Sequence[str], what: str, where: str, path: str
) -> list[int]:
    """The place of each wanted name among those found."""
    if {*wanted} != {*found}:
        raise ConfigError(
            f"{path} has the {what} {', '.join(found)}; {where} has {', '.join(wanted)}. Give "
            "tables of the same."
        )
    return [[*found].index(name) for name in wanted]
