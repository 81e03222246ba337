"""What raters must agree on to be combined: measures, directions, weights, draws, the corpus."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import ConfigError
from ..tables import ScoreStore


class _How(NamedTuple):
    ranked: bool = False
    blended: bool = False
    weighted: bool = False
    """Whether weights may be given."""


HOW = {
    "mean": _How(),
    "weighted-sum": _How(weighted=True),
    "mean-rank": _How(ranked=True, weighted=True),
    "max-rank": _How(ranked=True),
    "blend": _How(blended=True),
    "blend-rank": _How(ranked=True, blended=True),
}


def check_weights(how: str, weights: Sequence[float] | None, raters: Sequence[str | Path]) -> None:
    """Weights that go with a way to combine, one for each rater.

    Raises:
        ConfigError: they don't.
    """
    if weights is None:
        if how == "weighted-sum":
            raise ConfigError("A weighted-sum needs a weight for each rater (--weight NAME=2).")
        return
    if not HOW[how].weighted:
        takes = " and ".join(name for name, way in HOW.items() if way.weighted)
        raise ConfigError(f"{how} takes no weights, {takes} do.")
    if len(weights) != len(raters):
        raise ConfigError(f"{len(raters)} raters need as many weights. Got {len(weights)}.")
    for rater, weight in zip(raters, weights, strict=True):
        if not math.isfinite(weight) or (weight < 0 and HOW[how].ranked):
            wanted = "at least 0: ranks are turned so that greater is better"
            raise ConfigError(
                f"The weight of {rater} in {how} must be "
                f"{wanted if HOW[how].ranked else 'finite'}. Got {weight:g}."
            )
    if not any(weights):
        raise ConfigError(f"Every weight of this {how} is 0. Give one rater another weight.")


def agreed_measure(
    stores: Sequence[ScoreStore], how: str, weights: Sequence[float] | None
) -> dict[str, Any]:
    """What the combination measures, in which unit and direction.

    Raises:
        ConfigError: raters that don't go together in this way.
    """
    way, column = HOW[how], how.replace("-", "_")
    _check_shares(stores, how)
    for store in stores:
        if way.ranked and store.config["higher_is_better"] is None:
            raise ConfigError(
                f"{how} of {store.root}: neither end of {store.config['column']!r} is better."
            )
    if way.ranked:
        return {"column": column, "unit": "rank", "higher_is_better": True}
    if weights is not None:
        better = _direction(stores, weights)
        return {"column": column, "unit": "weighted sum", "higher_is_better": better}
    keys = ("column", "unit", "higher_is_better")
    first = stores[0].config
    for store in stores[1:]:
        for key in keys:
            if store.config[key] != first[key]:
                raise ConfigError(
                    f"{how} needs raters that measure the same. {stores[0].root} has the {key} "
                    f"{first[key]!r}, {store.root} has {store.config[key]!r}. Ranks can be "
                    f"combined: {how}-rank."
                )
    return {**{key: first[key] for key in keys}, "column": f"{column}_{first['column']}"}


def _direction(stores: Sequence[ScoreStore], weights: Sequence[float]) -> bool | None:
    """Whether a greater weighted sum is better, as all raters have it that prefer an end."""
    found: dict[bool, str] = {}
    for store, weight in zip(stores, weights, strict=True):
        better = store.config["higher_is_better"]
        if better is not None and weight:
            found.setdefault(better == (weight > 0), f"{store.root} (weight {weight:g})")
    if len(found) == 2:
        raise ConfigError(
            f"In a sum with these weights greater is better by {found[True]}, and worse by "
            f"{found[False]}. Give one of them a weight of the other sign."
        )
    return next(iter(found), None)


def _check_shares(stores: Sequence[ScoreStore], how: str) -> None:
    """Shares of the documents blend, where each rater of one draw has its own."""
    # Tables that were combined have no share.
    shares = [(store, store.config["rater"]) for store in stores if store.config.get("rater")]
    if not shares:
        return
    first, drawn = shares[0]
    if not HOW[how].blended:
        raise ConfigError(
            f"{first.root} holds one rater's share of the documents (--rater), so that no "
            f"document has the scores of all. Combine shares with blend or blend-rank."
        )
    holders: dict[int, ScoreStore] = {}
    for store, share in shares:
        if any(share[key] != drawn[key] for key in ("raters", "seed")):
            raise ConfigError(
                f"Shares that blend must be of one draw. {first.root} is of {drawn['raters']} "
                f"raters with seed {drawn['seed']}, {store.root} of {share['raters']} with seed "
                f"{share['seed']}. Score both with one M in --rater K/M and one --seed."
            )
        other = holders.setdefault(share["rater"], store)
        if other is not store:
            raise ConfigError(
                f"{other.root} and {store.root} both hold the share of rater {share['rater']} of "
                f"{share['raters']}. Combine one share of each rater."
            )


def agreed_reading(stores: Sequence[ScoreStore]) -> Any:
    """How the corpus was read.

    Raises:
        ConfigError: not alike for all.
    """
    first = stores[0].config["reading"]
    for store in stores[1:]:
        for key, value in store.config["reading"].items():
            if value != first.get(key):
                raise ConfigError(
                    f"{stores[0].root} was scored with {key} = {first.get(key)!r}, {store.root} "
                    f"with {value!r}. Score both with the same options."
                )
    return first


def agreed_grouping(stores: Sequence[ScoreStore]) -> dict[str, Any]:
    """The column that groups are of, for a configuration; of raters without groups, nothing.

    Raises:
        ConfigError: not alike for those that have one.
    """
    grouped = [store for store in stores if "group_column" in store.config]
    found = {store.config["group_column"]: store for store in grouped}
    if len(found) > 1:
        (one, first), (other, second) = list(found.items())[:2]
        raise ConfigError(
            f"{first.root} has groups by {one!r}, {second.root} by {other!r}. Score both with the "
            f"same --group-column."
        )
    return {} if not found else {"group_column": next(iter(found))}
