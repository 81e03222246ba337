"""The best mixture of one scale: of a law, of runs that a law is fitted to, or as it is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

import mixing

from ...errors import ConfigError, as_config_error
from ...files import read_json
from ...registry import find
from ...runs import RunTable
from .files import StoredLaw, list_by_name, load_law, load_mixture, named
from .fitting import fit_one, read_runs

FloatArray = NDArray[np.float64]

AT = 1e-4
"""Of a share: as near counts as at a bound."""

_ROUNDING = 0.01  # of a number of tokens that is given twice


@dataclass(frozen=True, kw_only=True)
class Search:
    """How the best mixture of a scale is found.

    Attributes:
        law: that is fitted to runs, by its registered name.
        objective: weight of each target; all the same by default.
        floor: least share of a domain, > 0: growth from nothing is no ratio.
        extrapolate: admit shares that no run had.
        seed: of the starts.
    """

    law: str = "additive"
    objective: Mapping[str, float] | None = None
    floor: float = 0.005
    extrapolate: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.floor < 1:
            raise ConfigError(f"--floor must be above 0 and below 1. Got {self.floor:g}.")


@dataclass(frozen=True, kw_only=True)
class Scale:
    """The best mixture of one scale.

    Attributes:
        path: of the file it is from.
        mixture: share by domain.
        tokens: of a run at this scale; None where nobody said.
        at_bounds: domains whose share is the least or the greatest that was admitted, in words.
        law: that it is the optimum of; None for a mixture that was given.
        weights: of the law's targets.
    """

    path: str
    mixture: dict[str, float]
    tokens: float | None
    at_bounds: list[str]
    law: StoredLaw | None = None
    weights: list[float] | None = None

    def loss(self, mixture: Mapping[str, float]) -> float | None:
        """The weighted mean of the losses that this scale's law expects of a mixture."""
        if self.law is None:
            return None
        shares = list_by_name(mixture, self.law.domains, "domain")
        losses = self.law.law.predict(np.array([shares]))[0]
        return float(np.average(losses, weights=self.weights))

    def described(self) -> dict[str, Any]:
        """As plain JSON values."""
        kept = ("path", "mixture", "tokens", "at_bounds")
        return {name: getattr(self, name) for name in kept}


def read_scale(path: str | Path, tokens: float | None, search: Search) -> Scale:
    """The best mixture of a table of runs, a law or a file of a mixture.

    Args:
        path: JSON of a law or a mixture; any other file is a table of runs.
        tokens: of a run at this scale, where the file doesn't say.
        search: how a law's best mixture is found.

    Raises:
        ConfigError: none of these, runs of several lengths or sizes, or tokens that contradict
            the file's.
    """
    if Path(path).suffix.lower() != ".json":
        table = read_runs(path, None, None)
        _one_of(table, "parameters", path)
        found = _one_of(table, "tokens", path)
        law = find("laws", search.law)()
        stored = StoredLaw(
            law=fit_one(law, table, path, search.seed), domains=table.domains, targets=table.targets
        )
        return _optimum(stored, path, _same(path, tokens, found), search)
    content = read_json(Path(path))
    if isinstance(content, dict) and isinstance(content.get("law"), dict):
        return _optimum(load_law(path), path, tokens, search)
    shares = load_mixture(path)
    with as_config_error(str(path)):
        mixing.check_mixtures([list(shares.values())])
    said = content.get("tokens") if isinstance(content.get("mixture"), dict) else None
    at_bounds = [f"{name} has no share" for name, share in shares.items() if share == 0]
    return Scale(
        path=str(path), mixture=shares, tokens=_same(path, tokens, said), at_bounds=at_bounds
    )


def _one_of(table: RunTable, column: str, path: str | Path) -> float | None:
    """The number that all runs have in a column; None without such a column."""
    if not table.has(column):
        return None
    values = table.covariates([column])
    if np.ptp(values) > 0:
        raise ConfigError(
            f"{path}: the runs have from {values.min():,.0f} to {values.max():,.0f} {column}, and "
            "those of a scale have one number of them. Give a table for each."
        )
    return float(values[0, 0])


def _same(path: str | Path, given: float | None, found: float | None) -> float | None:
    """The tokens that an option gave or that the file holds; a ConfigError where they differ."""
    if given is not None and found is not None and abs(given / found - 1) > _ROUNDING:
        raise ConfigError(
            f"{path} says that its runs have {found:,.0f} tokens. The option says {given:,.0f}: "
            "leave it out, or give another file."
        )
    return found if given is None else given


def _optimum(stored: StoredLaw, path: str | Path, tokens: float | None, search: Search) -> Scale:
    fitted, names = stored.law, tuple(stored.domains)
    if fitted.law.covariates:
        raise ConfigError(
            f"{path}: the law {fitted.law.name} reads {', '.join(fitted.law.covariates)}. "
            "AutoScale takes a law of each scale: fit one that reads none, such as additive."
        )
    seen = fitted.runs.mixtures
    free = np.zeros(len(names)), np.ones(len(names))
    least, most = free if search.extrapolate else (seen.min(axis=0), seen.max(axis=0))
    lower = np.maximum(least, search.floor)
    upper = np.maximum(most, lower)
    weights = stored.weights(search.objective)
    with as_config_error(str(path)), threadpool_limits(1):
        found = mixing.optimize(
            fitted,
            prior=seen.mean(axis=0) / seen.mean(axis=0).sum(),
            weights=weights,
            constraints=mixing.Constraints(
                lower=tuple(lower.tolist()), upper=tuple(upper.tolist()), names=names
            ),
            rng=np.random.default_rng(search.seed),
        )
    return Scale(
        path=str(path),
        mixture=named(names, found.mixture),
        tokens=tokens,
        at_bounds=_at_bounds(stored.domains, found.mixture, lower, upper, search.floor),
        law=stored,
        weights=weights,
    )


def _at_bounds(
    domains: list[str], mixture: FloatArray, lower: FloatArray, upper: FloatArray, floor: float
) -> list[str]:
    said = []
    for name, share, low, high in zip(domains, mixture, lower, upper, strict=True):
        if share <= low + AT:
            reason = "the floor" if low == floor else "the least of all runs"
            said.append(f"{name} has {share:.1%}, {reason}")
        elif share >= high - AT:
            said.append(f"{name} has {share:.1%}, the most of all runs")
    return said
