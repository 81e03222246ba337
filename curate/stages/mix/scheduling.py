"""Mixtures by phase: another one at the end of training, or a source before its target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

import mixing
from mixing.learning import Relation, curriculum, relate

from ...errors import ConfigError, as_config_error
from ...files import read_json, write_json
from .files import StoredLaw, at_covariates, finite, load_law, load_mixture, load_schedule, named
from .supply import Supply

FloatArray = NDArray[np.float64]

_ROUNDING = 1e-6


@dataclass(frozen=True, kw_only=True)
class Ending:
    """Other shares for the last part of training.

    Attributes:
        shares: by domain; domains not named share the rest as in the mixture.
        last: share of training that the part takes.
        keep_mean: whether the first part makes up for it, so that the mixture holds on average.
    """

    shares: Mapping[str, float]
    last: float = 0.2
    keep_mean: bool = False


@dataclass(frozen=True, kw_only=True)
class Order:
    """A source that may help a target.

    Attributes:
        source: name of a domain.
        target: name of another.
        relation: how the target depends on the source; None to let the law say it.
        law: file of `fit`, over runs of which some had more of the source.
        loss: the law's target that measures the domain; by default the one of its name.
        move: share of the mixture that the law is asked about.
        at: value of each covariate that the law reads.
        level: of the intervals that decide.
    """

    source: str
    target: str
    relation: Relation | None = None
    law: str | Path | None = None
    loss: str | None = None
    move: float = 0.1
    at: Mapping[str, float] | None = None
    level: float = 0.9

    def __post_init__(self) -> None:
        if (self.relation is None) == (self.law is None):
            raise ConfigError(
                f"How does {self.target} depend on {self.source}? Give --law, fitted to measured "
                "runs, or --relation; not both."
            )


def schedule(
    out: str | Path,
    rule: Ending | Order,
    *,
    mixture: str | Path | None = None,
    start: Literal["proportional", "uniform"] = "proportional",
    selection: str | Path | None = None,
    available: str | Path | None = None,
    tokens: int | None = None,
    max_epochs: float = 4.0,
) -> dict[str, Any]:
    """Write the schedule that a rule makes of a mixture.

    Args:
        out: JSON file to write: phases, each with its mixture and the share of training at which
            it ends, and the mixture over the whole of it.
        rule: what comes when.
        mixture: file of a mixture.
        start: which mixture in place of a file, of what there is.
        selection: directory that `select` wrote: what there is.
        available: file of tokens by domain, in place of ``selection``.
        tokens: of the whole of training; caps repetition over all phases together.
        max_epochs: most repetitions of a domain.

    Returns:
        What was written.

    Raises:
        ConfigError: no mixture to start from, unknown domains, a law that cannot say it, or a
            domain repeated more than ``max_epochs`` times.
    """
    stored = load_law(rule.law) if isinstance(rule, Order) and rule.law is not None else None
    supply = Supply.of(None if stored is None else stored.domains, selection, available)
    supply.check_tokens(tokens)
    if mixture is None and supply.proportional is None:
        raise ConfigError(
            "Which mixture is to be scheduled? Give MIXTURE; or --selection or --available, which "
            "say what there is."
        )
    domains = supply.domains if mixture is None else supply.domains or [*load_mixture(mixture)]
    if mixture is not None:
        base: FloatArray = load_schedule(mixture, domains).mean
    elif start == "uniform":
        base = np.full(len(domains), 1 / len(domains))
    else:
        assert supply.proportional is not None
        base = supply.proportional
    said: dict[str, Any] = {}
    with as_config_error(f"schedule, {', '.join(domains)}"):
        if isinstance(rule, Ending):
            final = _completed(rule.shares, domains, base)
            if rule.keep_mean:
                _check_room(base, rule.last * final, domains)
            made = mixing.Schedule.anneal(base, final, last=rule.last, keep_mean=rule.keep_mean)
        else:
            made, said = _ordered(rule, stored, domains, base)
    found = described(made, domains) | said
    if tokens is not None and supply.available is not None:
        epochs = _epochs(made.mean, supply.available, tokens, max_epochs, domains)
        found |= {"tokens": tokens, "max_epochs": max_epochs, "epochs": epochs}
    told = {} if mixture is None else read_json(Path(mixture))
    if "objective" in told and "mixture" in told:  # what `verify` judges it by
        found["objective"] = told["objective"]
    write_json(Path(out), found)
    return found


def described(made: mixing.Schedule, domains: list[str]) -> dict[str, Any]:
    """A schedule as plain JSON values, which `load_schedule` reads."""
    return {
        "phases": [
            {"until": until, "mixture": named(domains, shares)}
            for until, shares in zip(made.ends, made.mixtures, strict=True)
        ],
        "mixture": named(domains, made.mean),
    }


def _completed(shares: Mapping[str, float], domains: list[str], base: FloatArray) -> FloatArray:
    """All shares of the last part: those given, and the others in proportion to the mixture."""
    for name, share in shares.items():
        _place(name, domains)
        if not 0 <= share <= 1:
            raise ConfigError(f"The share of {name!r} at the end must be in [0, 1]. Got {share:g}.")
    given = np.array([shares.get(name, np.nan) for name in domains])
    free = np.isnan(given)
    rest = 1 - float(given[~free].sum())
    held = float(base[free].sum())
    if rest < -_ROUNDING or (rest > _ROUNDING and held <= 0):
        raise ConfigError(
            f"The shares at the end sum to {1 - rest:g}, and "
            + (
                "cannot exceed one. Give less."
                if rest < 0
                else "the mixture holds no other domain to share the rest. Give shares that sum "
                "to one."
            )
        )
    found: FloatArray = np.where(free, max(rest, 0.0) * base / (held or 1.0), given)
    return found


def _check_room(base: FloatArray, at_the_end: FloatArray, domains: list[str]) -> None:
    over = at_the_end > base + _ROUNDING
    if over.any():
        place = int(np.argmax(over))
        raise ConfigError(
            f"The last part would read {at_the_end[place]:.4g} of all tokens from "
            f"{domains[place]!r}, and the mixture has just {base[place]:.4g}: shorten --last, or "
            "leave out --keep-mean."
        )


def _ordered(
    rule: Order, stored: StoredLaw | None, domains: list[str], base: FloatArray
) -> tuple[mixing.Schedule, dict[str, Any]]:
    """The schedule of a source and its target, and what the law said of them."""
    source, target = (_place(name, domains) for name in (rule.source, rule.target))
    said: dict[str, Any] = {"source": rule.source, "target": rule.target}
    kind = rule.relation
    if stored is not None:
        name = rule.loss or rule.target
        if name not in stored.targets:
            raise ConfigError(
                f"{rule.law}: has no target {name!r}, which is to fall. It has "
                f"{', '.join(stored.targets)}: give --loss."
            )
        law = at_covariates(stored.law, rule.at or {})
        loss = stored.targets.index(name)
        found = relate(law, base, source, target, loss, move=rule.move, level=rule.level)
        kind = found.relation
        said |= {
            "loss": name,
            "move": found.move,
            "helps": found.helps,
            "helps_interval": finite(found.helps_interval),
            "replaces": found.replaces,
            "replaces_interval": finite(found.replaces_interval),
            "level": rule.level,
        }
    assert kind is not None
    if kind == "none" and stored is not None:  # no evidence is no reason to take a share away
        return mixing.Schedule.constant(base), said | {"relation": kind}
    return curriculum(base, source, target, kind), said | {"relation": kind}


def _place(name: str, domains: list[str]) -> int:
    if name not in domains:
        raise ConfigError(
            f"There is no domain {name!r} to schedule. There are {', '.join(domains)}."
        )
    return domains.index(name)


def _epochs(
    mean: FloatArray, available: FloatArray, tokens: int, max_epochs: float, domains: list[str]
) -> dict[str, float]:
    """How often each domain is read over all phases.

    Raises:
        ConfigError: more often than ``max_epochs``.
    """
    wanted = mean * tokens
    over = wanted > max_epochs * available * (1 + _ROUNDING)
    if over.any():
        place = int(np.argmax(over))
        raise ConfigError(
            f"The phases together read {wanted[place]:,.0f} tokens of {domains[place]}, of which "
            f"there are {available[place]:,.0f}: more than {max_epochs:g} epochs. Give it a "
            "smaller share or a shorter phase, fewer --tokens, or more --max-epochs."
        )
    epochs = np.divide(wanted, available, out=np.zeros_like(wanted), where=available > 0)
    return named(domains, epochs)
