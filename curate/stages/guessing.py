"""A look at a sample of the documents, to guess where budgets will end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from samplers import Search

from .documents import FloatArray, IntArray
from .grouping import POOL, Index
from .passes import Draw

_FEW = 1_000_000
"""Of so few documents no sample is drawn: what a pass may keep holds them all."""


def guess(
    draw: Draw, shards: Sequence[str], n_documents: int, index: Index, searches: list[Search]
) -> None:
    """Choose the first brackets of one or two searches: the upper ends, and the lower.

    A guess decides how many passes it takes, never what is found.
    """
    if n_documents <= _FEW:
        return
    n = round(2.5 * n_documents ** (2 / 3))  # as many as will then lie in the bracket
    sample, place, n_read = _sample(draw, shards, n, index)
    _, _, cost, group = sample
    if not len(group):
        return
    n_groups = len(index.groups)
    held = np.bincount(group, weights=cost, minlength=n_groups)
    totals: FloatArray = np.asarray(held * (n_documents / n_read), np.float64)
    shares = draw.grouping.shares(index.groups.names, totals)
    errors = shares * _errors(draw, index, cost, group, place)
    for search, at in zip(searches, (1, 0), strict=False):
        edges = [
            draw.sampler.interval(total, share * total)[at] / max(total, 1.0)
            for total, share in zip(totals, shares, strict=True)
        ]
        search.reach(n_groups)
        search.guess(sample, place, np.array(edges), errors)


def _sample(
    draw: Draw, shards: Sequence[str], n: int, index: Index
) -> tuple[tuple[FloatArray, NDArray[np.uint64], FloatArray, IntArray], IntArray, int]:
    """(order, key, cost, group) of some documents, the place of each, and how many were read."""
    parts, n_read = [], 0
    found = draw.population.sample(shards, n, draw.columns(), index.domains)
    for number, documents in enumerate(found):
        group, cost = draw.group(documents, index), draw.cost(documents)
        order = draw.order(documents, group, index)
        at, n_read = np.flatnonzero(~np.isnan(order)), n_read + len(order)
        of = np.zeros(len(at), np.int64) if group is None else group[at]
        parts.append((order[at], documents.key[at], cost[at], of, np.full(len(at), number)))
    order, key, cost, of, place = (np.concatenate(column) for column in zip(*parts, strict=True))
    return (order, key, cost, of), place, n_read


def _errors(
    draw: Draw, index: Index, cost: FloatArray, group: IntArray, place: IntArray
) -> FloatArray:
    """Relative standard error of what each group holds, where its budget is an amount."""
    names, n_places = index.groups.names, int(place.max()) + 1
    n = np.bincount(place, minlength=n_places)
    made = np.zeros(len(names))
    for g, name in enumerate(names):
        quota = None if name == POOL else draw.grouping.quotas.get(name[1:])
        budget = quota or draw.grouping.budget
        if budget is None or budget.is_share:
            continue
        mine = (group == g) if quota else np.ones(len(group), bool)
        held = np.bincount(place, weights=cost * mine, minlength=n_places)
        total = max(held.sum(), 1.0)
        unlike = held - total * n / n.sum()
        draws = (cost**2 * mine).sum()
        made[g] = np.sqrt(max((unlike**2).sum(), draws)) / total
    return made
