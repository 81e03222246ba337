"""Set the proportions: design mixtures, fit a law on their proxy runs, optimise it.

The runs themselves are in `proxies`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

import mixing

from ..errors import ConfigError, as_config_error
from ..files import read_json, write_json
from ..registry import find
from ..runs import RunTable
from .selection import Selection

DESIGNS = ("dirichlet", "double-diminishing")


def design(
    selection: str | Path,
    out: str | Path,
    *,
    runs: int,
    method: str = "dirichlet",
    tokens: int | None = None,
    max_epochs: float = 4.0,
    seed: int = 0,
) -> RunTable:
    """Mixtures to train proxies on, around the proportions of what was kept.

    The first run of a Dirichlet design is the proportional mixture itself.

    Args:
        selection: directory of a selection.
        out: CSV file to write.
        runs: how many mixtures.
        method: one of `DESIGNS`.
        tokens: size of the final dataset; with it no mixture repeats a domain beyond
            ``max_epochs``.
        max_epochs: see ``tokens``.
        seed: of the draw.

    Raises:
        ConfigError: fewer than two domains, or bounds that leave too few mixtures.
    """
    chosen = Selection(Path(selection))
    domains, kept = chosen.domains, chosen.amounts("kept")
    if len(domains) < 2:
        raise ConfigError(
            f"{selection}: a mixture needs at least 2 domains. Found {domains}. Name a domain "
            f"column, or score a directory with one folder a domain."
        )
    if method not in DESIGNS:
        raise ConfigError(f"'method' of design must be one of {DESIGNS}. Got {method!r}.")
    rng = np.random.default_rng(seed)
    proportions = mixing.proportional(kept)
    most = np.ones(len(domains)) if tokens is None else np.minimum(1, max_epochs * kept / tokens)
    with as_config_error("design"):
        if method == "dirichlet":
            drawn = mixing.dirichlet(proportions, runs - 1, rng, maximum=most)
            mixtures = np.vstack([proportions, drawn])
        else:
            mixtures = mixing.double_diminishing(np.maximum(most, 1 / 16), runs, rng)
    names = [f"{i:03d}" for i in range(len(mixtures))]
    table = RunTable(names, domains, mixtures, [], np.empty((len(mixtures), 0)))
    table.write(Path(out))
    return table


def fit(
    runs: str | Path, out: str | Path, *, law: str = "additive", seed: int = 0
) -> dict[str, Any]:
    """Fit a law to a table of runs, every target by itself.

    Returns:
        What was written to ``out``: the law, its domains and targets.

    Raises:
        ConfigError: no losses in the table, or shares and losses that no law can use.
    """
    table = RunTable.read(runs)
    if not table.targets:
        raise ConfigError(f"{runs} holds no losses: it is a design. Run `curate mix run` on it.")
    # One BLAS thread: the matrices are small, and sums must not depend on the number of cores.
    with as_config_error(str(runs)), threadpool_limits(1):
        fitted = find("laws", law)().fit(table.mixtures, table.losses, np.random.default_rng(seed))
    stored = {
        "domains": table.domains,
        "targets": table.targets,
        "least_share": _named(table.domains, table.mixtures.min(axis=0)),
        "greatest_share": _named(table.domains, table.mixtures.max(axis=0)),
        "law": fitted.to_dict(),
    }
    write_json(Path(out), stored)
    return stored


def load_law(path: str | Path) -> tuple[mixing.FittedLaw, dict[str, Any]]:
    """A fitted law, and what `fit` stored with it.

    Raises:
        ConfigError: no law there.
    """
    stored = read_json(Path(path))
    try:
        return mixing.FittedLaw.from_dict(stored["law"]), stored
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{path}: not a law that `curate mix fit` wrote ({error!r}).") from error


def optimize(
    law: str | Path,
    selection: str | Path,
    out: str | Path,
    *,
    tokens: int,
    max_epochs: float = 4.0,
    objective: dict[str, float] | None = None,
    kl_strength: float = 0.0,
    extrapolate: bool = False,
) -> dict[str, Any]:
    """The mixture of least predicted loss that what was kept can supply.

    No domain gets a smaller or a greater share than it had in some run: beyond what it has seen, a
    law is an opinion.

    Args:
        law: file written by `fit`.
        selection: what was kept, in tokens, limits each share: share · tokens <= max_epochs · kept.
        out: JSON file to write.
        tokens: size of the final dataset.
        max_epochs: how often a document may be repeated.
        objective: weight of each target; all the same by default.
        kl_strength: weight of the divergence from the proportional mixture, in nats of loss.
        extrapolate: admit shares that no run had.

    Raises:
        ConfigError: constraints that contradict each other, or another set of domains.
    """
    fitted, stored = load_law(law)
    domains, targets = stored["domains"], stored["targets"]
    chosen = Selection(Path(selection))
    if chosen.domains != domains:
        raise ConfigError(
            f"{law} is about the domains {domains}; {selection} kept {chosen.domains}."
        )
    kept = chosen.amounts("kept")
    prior = mixing.proportional(kept)
    with as_config_error("optimize"), threadpool_limits(1):
        found = mixing.optimize(
            fitted,
            prior=prior,
            weights=_weights(objective, targets),
            kl_strength=kl_strength,
            constraints=mixing.Constraints(
                lower=None if extrapolate else tuple(stored["least_share"].values()),
                upper=None if extrapolate else tuple(stored["greatest_share"].values()),
                available_tokens=tuple(kept.tolist()),
                budget_tokens=float(tokens),
                max_epochs=max_epochs,
                names=tuple(domains),
            ),
        )
    mixture: dict[str, Any] = {
        "mixture": _named(domains, found.mixture),
        "proportional": _named(domains, found.baseline),
        "unfiltered": _shares_before(chosen),
        "tokens": tokens,
        "max_epochs": max_epochs,
        "epochs": _named(domains, found.mixture * tokens / kept),
        "objective": objective or dict.fromkeys(targets, 1.0),
        "predicted_loss": found.loss,
        "predicted_losses": _named(targets, found.losses),
        "predicted_interval": list(found.interval),
        "proportional_loss": found.baseline_loss,
        "gain": found.gain,
        "gain_interval": list(found.gain_interval),
        "gain_holds_zero": found.gain_holds_zero,
        "level": found.level,
        "certificate": found.certificate,
    }
    for interval in ("predicted_interval", "gain_interval"):  # JSON holds no infinity
        mixture[interval] = [end if np.isfinite(end) else None for end in mixture[interval]]
    write_json(Path(out), mixture)
    return mixture


def _weights(objective: dict[str, float] | None, targets: Sequence[str]) -> list[float] | None:
    if objective is None:
        return None
    unknown = sorted(set(objective) - set(targets))
    if unknown:
        raise ConfigError(f"The objective names {unknown[0]!r}. The law's targets are {targets}.")
    return [objective.get(target, 0.0) for target in targets]


def _shares_before(chosen: Selection) -> dict[str, float]:
    """Share of every domain in the corpus as it came."""
    before = chosen.amounts("before", chosen.all_domains)
    return _named(chosen.all_domains, mixing.proportional(before))


def _named(names: Sequence[str], values: NDArray[np.float64]) -> dict[str, float]:
    return {name: float(value) for name, value in zip(names, values, strict=True)}


def load_mixture(path: str | Path) -> dict[str, float]:
    """Shares by domain, from a file of `optimize` or any JSON object of shares.

    Raises:
        ConfigError: not shares.
    """
    stored = read_json(Path(path))
    shares = stored.get("mixture", stored) if isinstance(stored, dict) else None
    if not isinstance(shares, dict) or not all(
        isinstance(share, int | float) and np.isfinite(share) for share in shares.values()
    ):
        raise ConfigError(f'{path}: wanted shares by domain, {{"mixture": {{"code": 0.3, …}}}}.')
    return {name: float(share) for name, share in shares.items()}
