"""What to read when one domain helps another: together, the source first, or the target alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from ..laws import FittedLaw
from ..schedule import Schedule
from ..simplex import check_mixtures

Relation = Literal["none", "transfer", "dependency"]


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """What a source does to the loss on a target; gains are losses that fall, above zero.

    Attributes:
        helps: gain as the source takes ``move`` of the mixture from the other domains, the
            target's share left as it is.
        helps_interval: (low, high).
        replaces: gain as the source takes ``move`` from the target itself; None where that was
            not asked.
        replaces_interval: (low, high) likewise.
        move: the share moved.
        relation: see `relation`.
    """

    helps: float
    helps_interval: tuple[float, float]
    replaces: float
    replaces_interval: tuple[float, float]
    move: float
    relation: Relation


def relation(helps: tuple[float, float], replaces: tuple[float, float] | None = None) -> Relation:
    """How a target depends on a source, from intervals of two gains in the target's loss.

    "transfer" where adding the source's share at a fixed share of the target lowers the target's
    loss for sure, so the interval is above zero; "dependency" where, moreover, the loss falls even
    as the source replaces the target's own text; else "none". No evidence is no transfer.

    Source: Chen et al., "Skill-it!" (arXiv 2307.14430): an edge leads from a source to a target
    where training on both lowers the target's loss more than as many steps on the target alone.
    Departures: both gains have intervals, which must be above zero; shares move by a part of the
    mixture, where the paper trains on one skill and on two halves.

    Args:
        helps: (low, high), gain at a fixed share of the target.
        replaces: (low, high), gain as the source replaces the target; None if not known.
    """
    if helps[0] <= 0:
        return "none"
    return "dependency" if replaces is not None and replaces[0] > 0 else "transfer"


def relate(
    law: FittedLaw,
    base: ArrayLike,
    source: int,
    target: int,
    loss: int,
    *,
    move: float = 0.1,
    level: float = 0.9,
) -> Transfer:
    """What a law, fitted to measured runs, says of a source and a target around a mixture.

    Shares move from the other domains in proportion to what they hold, or from the target. The
    law knows mixtures of whole runs and no order: that the source should come *first* is Skill-It's
    conclusion, not the law's. A schedule is proven by training it beside the plain mixture.

    Args:
        law: fitted; at a size if it reads one.
        base: [domains], on the simplex.
        source: place of the domain that may help.
        target: place of the domain that is to be helped.
        loss: place of the target's loss among those of the law.
        move: share to move; less where the others, or the target, hold less.
        level: of the intervals; see `FittedLaw.difference_interval`.

    Raises:
        ValueError: for places that are none, the same domain twice, or nothing to move.
    """
    mixture = check_mixtures(np.atleast_2d(np.asarray(base, np.float64)))[0]
    n = len(mixture)
    _check_places(n, source, target)
    if not 0 <= loss < law.n_targets or not 0 < move < 1:
        raise ValueError(
            f"'loss' must be in [0, {law.n_targets}) and 'move' in (0, 1). Got {loss} and {move}."
        )
    others = mixture.copy()
    others[[source, target]] = 0.0
    moved = min(move, float(others.sum()), float(mixture[target]))
    if moved <= 0:
        raise ValueError(
            "Nothing to move to the source: 'base' must hold some of the target and of a third "
            f"domain. Got {mixture.tolist()}."
        )
    gained = moved * np.eye(n)[source]
    weights = np.eye(law.n_targets)[loss]
    helped = mixture + gained - moved * others / others.sum()
    replaced = mixture + gained - moved * np.eye(n)[target]
    before, after, instead = law.predict(np.stack([mixture, helped, replaced]))[:, loss]
    one = law.difference_interval(mixture, helped, weights, level)
    other = law.difference_interval(mixture, replaced, weights, level)
    return Transfer(
        helps=float(before - after),
        helps_interval=one,
        replaces=float(before - instead),
        replaces_interval=other,
        move=moved,
        relation=relation(one, other),
    )


def curriculum(mixture: ArrayLike, source: int, target: int, relation: Relation) -> Schedule:
    """When to read a source and a target, the other domains as in the mixture throughout.

    "none": the target alone, which gets the source's share, too. "transfer": both throughout, each
    half of what they hold together. "dependency": first the source in place of both, then the
    target; the mixture over the whole of training stays what it is.

    Source: Fu's essay on theoretical support for data engineering (target only; uniform; source
    first), with the evidence of Chen et al., "Skill-it!" (arXiv 2307.14430). Departures: other
    domains are read beside the two; a dependency has two phases, where Skill-It updates the
    mixture online.

    Args:
        mixture: [domains], on the simplex.
        source: place of the domain that may help.
        target: place of the domain that is to be helped.
        relation: see `relation`.

    Raises:
        ValueError: for places that are none, the same twice, a relation that is none, or a mixture
            that lacks what is to be ordered.
    """
    shares = check_mixtures(np.atleast_2d(np.asarray(mixture, np.float64)))[0]
    _check_places(len(shares), source, target)
    pair = [source, target]
    held = float(shares[pair].sum())
    if held <= 0:
        raise ValueError("'mixture' must hold some of the source or the target. Got none of both.")

    def sharing(of_source: float) -> tuple[float, ...]:
        one = shares.copy()
        one[pair] = held * of_source, held * (1 - of_source)
        return tuple(one.tolist())

    if relation == "none":
        return Schedule(mixtures=(sharing(0.0),))
    if relation == "transfer":
        return Schedule(mixtures=(sharing(0.5),))
    if relation != "dependency":
        raise ValueError(
            f"'relation' must be 'none', 'transfer' or 'dependency'. Got {relation!r}."
        )
    if (shares[pair] <= 0).any():
        raise ValueError(
            "'mixture' must hold some of the source and of the target to read one before the "
            f"other. Got {shares[source]:g} and {shares[target]:g}."
        )
    return Schedule(mixtures=(sharing(1.0), sharing(0.0)), ends=(float(shares[source]) / held, 1.0))


def _check_places(n: int, source: int, target: int) -> None:
    if not (0 <= source < n and 0 <= target < n) or source == target:
        raise ValueError(
            f"'source' and 'target' must be two different domains in [0, {n}). "
            f"Got {source} and {target}."
        )
