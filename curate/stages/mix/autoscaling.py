"""AutoScale: the best mixture of a third scale, from those of two smaller ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixing.autoscale import extrapolate, extrapolate_to

from ...errors import ConfigError, as_config_error
from ...files import write_json
from .files import named
from .scales import AT, Scale, Search, read_scale

FloatArray = NDArray[np.float64]


def autoscale(
    small: str | Path,
    large: str | Path,
    out: str | Path,
    *,
    small_tokens: float | None = None,
    large_tokens: float | None = None,
    tokens: float | None = None,
    observed: str | Path | None = None,
    search: Search | None = None,
) -> dict[str, Any]:
    """The mixture of a third scale, by each domain's growth in tokens from the small to the large.

    Each of the three files is a table of runs, a law that `fit` wrote, or a mixture.

    Args:
        small: the smaller scale.
        large: the larger one.
        out: JSON file of a mixture to write.
        small_tokens: of a run at the small scale, where its file doesn't say.
        large_tokens: likewise.
        tokens: of a run at the third scale; those of ``observed``, else the sum of N2² / N1.
        observed: the third scale, where it ran: tells how far off the prediction is.
        search: how a law's best mixture is found.

    Returns:
        What was written: the mixture, both scales', and what was observed, if anything.

    Raises:
        ConfigError: files of different domains, tokens that are missing or do not grow, or a
            domain that one scale leaves out and the other does not.
    """
    how = search or Search()
    first = read_scale(small, small_tokens, how)
    second = read_scale(large, large_tokens, how)
    third = None if observed is None else read_scale(observed, tokens, how)
    if tokens is None and third is not None:
        tokens = third.tokens
    domains = list(first.mixture)
    n1, n2 = _amounts(first, domains, "--small-tokens"), _amounts(second, domains, "--large-tokens")
    predicted, step = _predicted(n1, n2, tokens, domains, first, second)
    total = float(predicted.sum())
    mixture = named(domains, predicted / total)
    described: dict[str, Any] = {
        "mixture": mixture,
        "tokens": round(total),
        "method": "autoscale",
        "step": step,
        "growth": named(domains, np.divide(n2, n1, out=np.ones_like(n1), where=n1 > 0)),
        "small": first.described(),
        "large": second.described(),
    }
    targets = next((s.law.targets for s in (third, second, first) if s and s.law), None)
    if targets is not None:
        described["objective"] = dict(how.objective or dict.fromkeys(targets, 1.0))
    if third is not None:
        described["observed"] = _judged(mixture, second, third)
    write_json(Path(out), described)
    return described


def _predicted(
    n1: FloatArray,
    n2: FloatArray,
    tokens: float | None,
    domains: list[str],
    first: Scale,
    second: Scale,
) -> tuple[FloatArray, float]:
    """Tokens by domain at the third scale, and which scale step that is (the small is 0)."""
    one_sided = (n1 > 0) != (n2 > 0)
    if one_sided.any():
        name = domains[int(np.argmax(one_sided))]
        where = first.path if n1[np.argmax(one_sided)] == 0 else second.path
        raise ConfigError(
            f"{where} gives {name!r} no share and the other scale does: N2² / N1 takes a share at "
            "both. Set a small one, or optimise again with --lower."
        )
    used = n1 > 0
    amounts = np.zeros_like(n1)
    with as_config_error("autoscale"):
        if not n1.sum() < n2.sum():
            raise ValueError(
                f"the large scale must have more tokens than the small one. Got {n2.sum():,.0f} "
                f"and {n1.sum():,.0f}."
            )
        if tokens is None:
            amounts[used] = extrapolate(n1[used], n2[used], 2)
        else:
            amounts[used] = extrapolate_to(n1[used], n2[used], tokens)
    growth = np.log(n2[used] / n1[used])
    most = int(np.argmax(np.abs(growth)))
    return amounts, float(np.log(amounts[used][most] / n1[used][most]) / growth[most])


def _amounts(scale: Scale, domains: list[str], option: str) -> FloatArray:
    if scale.tokens is None:
        raise ConfigError(f"{scale.path} does not say how many tokens a run has: give {option}.")
    if {*scale.mixture} != {*domains}:
        raise ConfigError(
            f"{scale.path} has the domains {', '.join(scale.mixture)}. Wanted {', '.join(domains)}."
        )
    shares = np.array([scale.mixture[name] for name in domains])
    amounts: FloatArray = shares / shares.sum() * scale.tokens
    return amounts


def _judged(mixture: dict[str, float], second: Scale, third: Scale) -> dict[str, Any]:
    """The prediction, and the large scale's mixture as it is, beside the third scale's own."""
    if {*third.mixture} != {*mixture}:
        raise ConfigError(
            f"{third.path} has the domains {', '.join(third.mixture)}. Wanted {', '.join(mixture)}."
        )
    mixtures = {"predicted": mixture, "large": second.mixture, "own": third.mixture}
    judged: dict[str, Any] = {
        name: {
            "total_variation": sum(abs(of[d] - third.mixture[d]) for d in mixture) / 2,
            "loss": third.loss(of),
        }
        for name, of in mixtures.items()
    }
    return third.described() | {"compared": judged, "outside_runs": _outside(mixture, third)}


def _outside(mixture: dict[str, float], third: Scale) -> list[str]:
    """Domains of which the prediction has more or less than any run at the third scale."""
    if third.law is None:
        return []
    seen = third.law.law.runs.mixtures
    return [
        name
        for place, name in enumerate(third.law.domains)
        if not seen[:, place].min() - AT <= mixture[name] <= seen[:, place].max() + AT
    ]
