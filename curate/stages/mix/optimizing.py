"""The mixture that a fitted law favours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from threadpoolctl import threadpool_limits

import mixing

from ...errors import ConfigError, as_config_error
from ...files import write_json
from .files import StoredLaw, at_covariates, finite, list_by_name, load_law, named
from .supply import Supply, read_prior


def optimize(
    law: str | Path,
    selection: str | Path | None,
    out: str | Path,
    *,
    available: str | Path | None = None,
    prior: str | Path | None = None,
    tokens: int | None = None,
    max_epochs: float = 4.0,
    objective: Mapping[str, float] | None = None,
    kl_strength: float = 0.0,
    lower: Mapping[str, float] | None = None,
    upper: Mapping[str, float] | None = None,
    floors: Sequence[tuple[Sequence[str], float]] = (),
    extrapolate: bool = False,
    method: Literal["descent", "simulate"] | None = None,
    at: Mapping[str, float] | None = None,
    level: float = 0.9,
    seed: int = 0,
) -> dict[str, Any]:
    """The mixture of least predicted loss that there is enough text for.

    No domain gets a smaller or a greater share than it had in some run: beyond what it has seen, a
    law is an opinion.

    Args:
        law: file written by `fit`.
        selection: what was kept, in tokens, limits each share: share · tokens <= max_epochs · kept.
        out: JSON file to write.
        available: file of tokens by domain, in place of a selection.
        prior: file of a mixture that the gain is measured from and that ``kl_strength`` pulls to;
            the proportional one if not given.
        tokens: size of the final dataset; without it, repetition has no limit.
        max_epochs: how often a document may be repeated.
        objective: weight of each target; all the same by default.
        kl_strength: weight of the divergence from the prior, in the unit of the losses.
        lower: least share of some domains.
        upper: greatest share of some domains.
        floors: least share of several domains together.
        extrapolate: admit shares that no run had.
        method: "descent", or "simulate": RegMix's average of the best of many random mixtures; by
            default that of a law without slopes.
        at: value of each covariate that the law reads.
        level: of the intervals.
        seed: of the starts and of simulated mixtures.

    Raises:
        ConfigError: constraints that contradict each other, or another set of domains.
    """
    stored = load_law(law)
    supply = Supply.of(stored.domains, selection, available)
    if supply.available is None and prior is None:
        raise ConfigError(
            "What is there to mix? Give --selection, --available (a file of tokens by domain), or "
            "--prior (a mixture)."
        )
    if selection is not None and tokens is None:
        raise ConfigError(
            "A selection limits the shares by the size of the dataset: give --tokens."
        )
    supply.check_tokens(tokens)
    start = supply.proportional if prior is None else read_prior(prior, stored.domains)
    assert start is not None
    fitted = at_covariates(stored.law, at or {})
    with as_config_error("optimize"), threadpool_limits(1):
        constraints = mixing.Constraints(
            **_bounds(stored, lower, upper, extrapolate),
            groups=_groups(stored, floors),
            **_cap(supply, tokens),
            max_epochs=max_epochs,
            names=tuple(stored.domains),
        )
        _check_room(constraints, len(stored.domains), extrapolate)
        found = mixing.optimize(
            fitted,
            prior=start,
            proportional=supply.proportional,
            weights=stored.weights(objective),
            kl_strength=kl_strength,
            constraints=constraints,
            method=method,
            level=level,
            rng=np.random.default_rng(seed),
        )
    mixture = _described(stored, supply, found, objective) | {"within_runs": not extrapolate}
    if at:
        mixture["at"] = dict(at)
    if tokens is not None:
        mixture |= {"tokens": tokens, "max_epochs": max_epochs}
        if supply.available is not None:
            epochs = found.mixture * tokens / supply.available
            mixture["epochs"] = named(stored.domains, epochs)
    write_json(Path(out), mixture)
    return mixture


def _bounds(
    stored: StoredLaw,
    lower: Mapping[str, float] | None,
    upper: Mapping[str, float] | None,
    extrapolate: bool,
) -> dict[str, Any]:
    """Bounds by domain: as given, else the least and the greatest share that some run had."""
    seen = stored.law.runs.mixtures
    n = len(stored.domains)
    least = np.zeros(n) if extrapolate else seen.min(axis=0)
    most = np.ones(n) if extrapolate else seen.max(axis=0)
    asked_low = list_by_name(lower or {}, stored.domains, "domain", np.nan)
    asked_high = list_by_name(upper or {}, stored.domains, "domain", np.nan)
    # What is asked for goes before what was seen, and moves the other end out of its way.
    low = np.where(np.isnan(asked_low), np.fmin(least, asked_high), asked_low)
    high = np.where(np.isnan(asked_high), np.fmax(most, asked_low), asked_high)
    return {"lower": tuple(low.tolist()), "upper": tuple(high.tolist())}


def _check_room(constraints: mixing.Constraints, n_domains: int, extrapolate: bool) -> None:
    """Raises ValueError where no mixture is left, and says which bounds nobody asked for."""
    try:
        constraints.polytope(n_domains)
    except ValueError as error:
        if extrapolate:
            raise
        raise ValueError(
            f"{error} Bounds that were not asked for are the least and the greatest share of the "
            "runs; --extrapolate lifts them."
        ) from error


def _groups(
    stored: StoredLaw, floors: Sequence[tuple[Sequence[str], float]]
) -> tuple[mixing.Group, ...]:
    groups = []
    for names, share in floors:
        list_by_name(dict.fromkeys(names, 0.0), stored.domains, "domain", 0.0)
        places = tuple(stored.domains.index(name) for name in names)
        groups.append(mixing.Group(domains=places, lower=share, name="+".join(names)))
    return tuple(groups)


def _cap(supply: Supply, tokens: int | None) -> dict[str, Any]:
    if tokens is None or supply.available is None:
        return {}
    return {
        "available_tokens": tuple(supply.available.tolist()),
        "budget_tokens": float(tokens),
    }


def _described(
    stored: StoredLaw,
    supply: Supply,
    found: mixing.Optimum,
    objective: Mapping[str, float] | None,
) -> dict[str, Any]:
    """The optimum as plain JSON values; its gain is that over the prior."""
    over = found.compared["prior"]
    compared = {
        name: {
            "mixture": named(stored.domains, other.mixture),
            "loss": other.loss,
            "losses": named(stored.targets, other.losses),
            "gain": other.gain,
            "gain_interval": finite(other.gain_interval),
            "gain_holds_zero": other.gain_holds_zero,
            "violations": list(other.violations),
        }
        for name, other in found.compared.items()
        if name != "proportional" or supply.available is not None
    }
    described: dict[str, Any] = {
        "law": stored.law.law.name,
        "mixture": named(stored.domains, found.mixture),
        "objective": dict(objective or dict.fromkeys(stored.targets, 1.0)),
        "predicted_loss": found.loss,
        "predicted_losses": named(stored.targets, found.losses),
        "predicted_interval": finite(found.interval),
        "compared": compared,
        "gain": over.gain,
        "gain_interval": finite(over.gain_interval),
        "gain_holds_zero": over.gain_holds_zero,
        "level": found.level,
        "method": found.method,
        "certificate": found.certificate,
        "binding": list(found.binding),
    }
    if not np.array_equal(over.mixture, found.baseline) or supply.available is None:
        described["gain_over"] = "the prior mixture"
    if supply.proportional is not None:
        described["proportional"] = named(stored.domains, supply.proportional)
        described["proportional_loss"] = found.baseline_loss
    if supply.unfiltered is not None:
        described["unfiltered"] = supply.unfiltered
    return described
