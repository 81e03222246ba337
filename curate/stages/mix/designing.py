"""Which mixtures to run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

import mixing

from ...errors import ConfigError, as_config_error
from ...registry import find
from ...runs import Columns, RunTable
from .files import StoredLaw, at_covariates, load_law
from .fitting import fit_one, read_runs
from .supply import Supply

FloatArray = NDArray[np.float64]
_LAW = "additive"


def _dirichlet(prior: FloatArray, n: int, rng: Any, most: FloatArray, law: str) -> FloatArray:  # noqa: ARG001
    if n == 1:
        return prior[None]
    return np.vstack([prior, mixing.dirichlet(prior, n - 1, rng, maximum=most)])


def _diminishing(prior: FloatArray, n: int, rng: Any, most: FloatArray, law: str) -> FloatArray:  # noqa: ARG001
    # At least one step for each domain must fit: a finer grid for many of them.
    step = 1 / max(16, 2 ** int(np.ceil(np.log2(2 * len(most)))))
    return mixing.double_diminishing(np.maximum(most, step), n, rng, step=step)


def _regmix(prior: FloatArray, n: int, rng: Any, most: FloatArray, law: str) -> FloatArray:  # noqa: ARG001
    return mixing.regmix(prior, n, rng, maximum=most)


def _d_optimal(prior: FloatArray, n: int, rng: Any, most: FloatArray, law: str) -> FloatArray:
    spec = find("laws", law)()
    if not isinstance(spec, mixing.laws.Formula):
        raise ConfigError(f"A D-optimal design needs a law with parameters. {law} has none.")
    return mixing.d_optimal(spec, prior, n, rng, maximum=most)


DESIGNS: dict[str, Callable[[FloatArray, int, Any, FloatArray, str], FloatArray]] = {
    "dirichlet": _dirichlet,
    "double-diminishing": _diminishing,
    "regmix": _regmix,
    "d-optimal": _d_optimal,
}
"""Each draws n mixtures around the proportions, none above the greatest shares."""


def design(
    selection: str | Path | None,
    out: str | Path,
    *,
    runs: int,
    available: str | Path | None = None,
    method: str = "dirichlet",
    law: str = _LAW,
    tokens: int | None = None,
    max_epochs: float = 4.0,
    seed: int = 0,
) -> RunTable:
    """Mixtures to train proxies on, around the proportions of what there is.

    The first run of a Dirichlet design is the proportional mixture itself.

    Args:
        selection: directory of a selection.
        out: CSV file to write.
        runs: how many mixtures.
        available: file of tokens by domain, in place of a selection.
        method: one of `DESIGNS`.
        law: the law whose parameters a D-optimal design determines best.
        tokens: size of the final dataset; with it no mixture repeats a domain beyond
            ``max_epochs``.
        max_epochs: see ``tokens``.
        seed: of the draw.

    Raises:
        ConfigError: fewer than two domains, or bounds that leave too few mixtures.
    """
    if method not in DESIGNS:
        raise ConfigError(f"'method' of design must be one of {[*DESIGNS]}. Got {method!r}.")
    supply = Supply.of(None, selection, available)
    proportions = supply.proportional
    if proportions is None:
        raise ConfigError(
            "What is there to mix? Give --selection, --available (a file of tokens by domain), or "
            "--extend (runs that exist)."
        )
    if len(supply.domains) < 2:
        raise ConfigError(
            f"{selection or available}: a mixture needs at least 2 domains. Found "
            f"{supply.domains}. Name a domain column, or score a directory with one folder a "
            "domain."
        )
    most = _room(supply, tokens, max_epochs)
    with as_config_error("design"), threadpool_limits(1):
        mixtures = DESIGNS[method](proportions, runs, np.random.default_rng(seed), most, law)
    return _written(supply.domains, mixtures, out, [])


def extend(
    runs: str | Path,
    out: str | Path,
    *,
    n: int,
    law: str = _LAW,
    selection: str | Path | None = None,
    available: str | Path | None = None,
    tokens: int | None = None,
    max_epochs: float = 4.0,
    at: Mapping[str, float] | None = None,
    losses: str | Path | None = None,
    columns: Columns | None = None,
    seed: int = 0,
) -> RunTable:
    """The mixtures that would tell most, given runs that exist.

    Args:
        runs: table of finished runs, or a law that `fit` wrote, which holds its own.
        out: CSV file to write: the new mixtures alone, numbered after those that exist.
        n: how many mixtures.
        law: fitted to a table of runs.
        selection: with ``tokens``, limits the shares, as ``available`` does.
        available: file of tokens by domain.
        tokens: size of the final dataset.
        max_epochs: how often a token may be repeated in it.
        at: value of each covariate that the law reads.
        losses: CSV file of the losses, where they are apart.
        columns: which columns hold shares and losses.
        seed: of the draw.

    Raises:
        ConfigError: runs without losses, or bounds that leave too few mixtures.
    """
    stored, names = _finished(runs, law, losses, columns, seed)
    supply = Supply.of(stored.domains, selection, available)
    supply.check_tokens(tokens)
    most = None if tokens is None else _room(supply, tokens, max_epochs)
    fitted = at_covariates(stored.law, at or {})
    with as_config_error("design"), threadpool_limits(1):
        mixtures = mixing.extend(fitted, n, np.random.default_rng(seed), maximum=most)
    return _written(stored.domains, mixtures, out, names)


def _room(supply: Supply, tokens: int | None, max_epochs: float) -> FloatArray:
    """The greatest share of each domain.

    Raises:
        ConfigError: all of them together do not make a dataset of that size.
    """
    most = supply.greatest(tokens, max_epochs)
    if supply.available is not None and most.sum() < 1:
        there = int(supply.available.sum())
        raise ConfigError(
            f"A dataset of {tokens:,} tokens is more than there is: {there:,} tokens, none read "
            f"more than {max_epochs:g} times. Ask for fewer tokens, admit more epochs "
            f"(--max-epochs), or keep more documents."
        )
    return most


def _finished(
    runs: str | Path,
    law: str,
    losses: str | Path | None,
    columns: Columns | None,
    seed: int,
) -> tuple[StoredLaw, list[str]]:
    """A fitted law, and the names of its runs as far as they are known."""
    if Path(runs).suffix.lower() == ".json":
        stored = load_law(runs)
        return stored, [f"{i:03d}" for i in range(len(stored.law.runs))]
    table = read_runs(runs, losses, columns)
    fitted = fit_one(find("laws", law)(), table, runs, seed)
    return StoredLaw(law=fitted, domains=table.domains, targets=table.targets), table.names


def _written(
    domains: list[str], mixtures: FloatArray, out: str | Path, taken: Sequence[str]
) -> RunTable:
    """The mixtures as a table, with names that no other run has."""
    first = len(taken)
    while {f"{i:03d}" for i in range(first, first + len(mixtures))} & {*taken}:
        first += 1
    names = [f"{i:03d}" for i in range(first, first + len(mixtures))]
    table = RunTable(names, domains, mixtures, [], np.empty((len(mixtures), 0)))
    table.write(Path(out))
    return table
