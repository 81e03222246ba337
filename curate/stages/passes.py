"""Passes over a population: each reads the columns it needs, and nothing stays but sums and few.

A pass may be shared among processes; what the shares find is added up, and sums of whole numbers
are the same in any sequence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from samplers import Cap, Eligible, Gathered, Histogram, Sampler, permanent_random

from ..engines import Engine
from ..progress import Phase, Progress, unheard
from ..seeds import lots
from .documents import Documents, FloatArray, IntArray
from .grouping import Grouping, Index
from .population import Population

Found = TypeVar("Found")


@dataclass(frozen=True)
class Draw:
    """All that decides which documents are taken, but for where the budget ends.

    Attributes:
        population, sampler, grouping, seed: as asked for.
        calibrations: of the sampler, by name of the group.
        eligible: the documents that a cap leaves.
        progress: told how far the passes are; decides nothing.
    """

    population: Population
    sampler: Sampler
    grouping: Grouping
    seed: int
    calibrations: dict[str, float] = field(default_factory=dict)
    eligible: Eligible | None = None
    progress: Progress = field(default_factory=unheard)

    def columns(self, *more: str) -> list[str]:
        """Those that order, cost and group need, and others."""
        unit = {"documents": (), "tokens": ("n_tokens",), "bytes": ("n_bytes",)}
        wanted = {*unit[self.grouping.unit], *more}
        if not self.grouping.pools_everything:
            wanted.add("domain")
        if self.eligible is not None:
            wanted.add("group")
        return sorted(wanted)

    def cost(self, documents: Documents) -> FloatArray:
        """Of each document, in the unit of the budget."""
        if self.grouping.unit == "documents":
            return np.ones(len(documents.key))
        tokens = self.grouping.unit == "tokens"
        return (documents.n_tokens if tokens else documents.n_bytes).astype(np.float64)

    def group(self, documents: Documents, index: Index) -> IntArray | None:
        """Of each document, -1 where nothing of its domain is kept; None: there is one group."""
        if self.grouping.pools_everything:
            return None
        return index.group_of.take(documents.domain)

    def order(self, documents: Documents, group: IntArray | None, index: Index) -> FloatArray:
        """NaN where a document cannot be taken at all."""
        u = np.empty(0)
        if self.sampler.uses_random:
            u = permanent_random(self.seed, documents.key)
        order = self.sampler.order(documents.score, u, self.calibration(group, index))
        _leave_out(order, documents, group)
        if self.eligible is not None and documents.grouped is not None:
            survival = self.survival(documents, group)
            first = self.eligible.of(documents.group, survival, documents.key)
            order[~first & documents.grouped] = np.nan
        return order

    def survival(self, documents: Documents, group: IntArray | None) -> FloatArray:
        """The order by which a cap chooses.

        Its random numbers are not the draw's: those that were small enough to survive would not
        make a fair draw among the survivors.
        """
        sampler, u = self.sampler.uncalibrated, np.empty(0)
        if sampler.uses_random:
            u = lots(self.seed, "cap", documents.key)
        order = sampler.order(documents.score, u)
        _leave_out(order, documents, group)
        return order

    def calibration(self, group: IntArray | None, index: Index) -> float | FloatArray:
        """Of all documents, or of each."""
        if not self.calibrations:
            return 1.0
        known = np.array([self.calibrations.get(name, 1.0) for name in index.groups.names])
        return float(known[0]) if group is None else np.append(known, 1.0)[group]


def _leave_out(order: FloatArray, documents: Documents, group: IntArray | None) -> None:
    """No order for what has no score, or no group that anything is kept of."""
    gone = np.isnan(documents.score)
    if group is not None:
        gone |= group < 0
    if gone.any():
        order[gone] = np.nan


@dataclass
class Seen:
    """What a pass found.

    Attributes:
        index: of the domains and groups it met.
        totals: float64[groups], what the documents that may be taken cost.
        histogram: of their scores, where the sampler asks for it.
        ends: what lies before and in the brackets.
    """

    index: Index
    totals: FloatArray
    histogram: Histogram | None
    ends: list[Gathered]

    def merge(self, other: Seen) -> None:
        """Add what was found in another share of the documents."""
        _, groups = self.index.join(other.index)
        self.reach()
        np.add.at(self.totals, groups, other.totals)
        if self.histogram is not None and other.histogram is not None:
            self.histogram.merge(other.histogram, groups, len(self.totals))
        for mine, theirs in zip(self.ends, other.ends, strict=True):
            mine.merge(theirs, groups)

    def reach(self) -> None:
        """Make room for every group that is known by now."""
        n_groups = len(self.index.groups)
        self.totals = np.append(self.totals, np.zeros(n_groups - len(self.totals)))
        for end in self.ends:
            end.reach(n_groups)


@dataclass(frozen=True)
class _Share:
    """What one process does of a pass."""

    draw: Draw
    shards: Sequence[str]
    index: Index
    ends: list[Gathered]
    measure: bool
    about: str


def look(
    draw: Draw,
    shards: Sequence[str],
    index: Index,
    new_ends: Callable[[], list[Gathered]],
    measure: bool,
    engine: Engine,
    about: str = "a pass",
) -> Seen:
    """One pass over all documents.

    Args:
        draw: what decides.
        shards: to read.
        index: takes up the domains and groups that are met.
        new_ends: empty brackets, any number.
        measure: whether totals and histogram are wanted.
        engine: reads.
        about: what the pass is called.
    """
    parts = divided(shards, engine.workers)
    jobs = [_Share(draw, part, index.copy(), new_ends(), measure, about) for part in parts]
    seen = Seen(index, np.empty(0), _histogram(draw, measure), new_ends())
    seen.reach()
    for found in engine.merged(_look, jobs, merged):
        seen.merge(found)
    return seen


class _Mergeable(Protocol):
    def merge(self, other: Any, /) -> None: ...


Shared = TypeVar("Shared", bound=_Mergeable)


def merged(found: list[Shared]) -> Shared:
    """What several shares found, as one; the first of them is changed."""
    first, *others = found
    for other in others:
        first.merge(other)
    return first


def divided(shards: Sequence[str], workers: int) -> list[Sequence[str]]:
    """Shares of the shards, for as many processes."""
    return [shards[start::workers] for start in range(min(workers, len(shards)))]


def _histogram(draw: Draw, measure: bool) -> Histogram | None:
    width = draw.sampler.bin_width
    return Histogram(width) if measure and width is not None else None


def _look(job: _Share) -> Seen:
    draw, index = job.draw, job.index
    seen = Seen(index, np.empty(0), _histogram(draw, job.measure), job.ends)
    ordered = bool(seen.ends) or draw.eligible is not None
    seen.reach()
    for documents in _batches(job, draw.columns()):
        group, cost = draw.group(documents, index), draw.cost(documents)
        if not len(index.groups):
            continue
        if len(index.groups) != len(seen.totals):
            seen.reach()
        order = draw.order(documents, group, index) if ordered else documents.score
        if job.measure:
            _measure(seen, documents.score, order, cost, group)
        if group is not None and draw.grouping.budget is None:
            group = np.maximum(group, 0)  # what has no group has no order either
        for end in seen.ends:
            end.add(order, documents.key, cost, group)
    return seen


def _batches(job: _Share, columns: list[str]) -> Iterator[Documents]:
    phase = Phase(job.draw.progress, job.about, len(job.shards))
    for shard in job.shards:
        for documents in job.draw.population.batches(shard, columns, job.index.domains):
            yield documents
            phase.see(len(documents.key))
        phase.see(units=1)


def _measure(
    seen: Seen, score: FloatArray, order: FloatArray, cost: FloatArray, group: IntArray | None
) -> None:
    """Count the documents that have an order, and a group."""
    gone = np.isnan(order)
    if group is not None:
        gone |= group < 0
    if gone.any():
        at = np.flatnonzero(~gone)
        score, cost = score.take(at), cost.take(at)
        group = None if group is None else group.take(at)
    if group is None:
        seen.totals[0] += cost.sum()
    else:
        seen.totals += np.bincount(group, weights=cost, minlength=len(seen.totals))
    if seen.histogram is not None:
        seen.histogram.add(score, cost, group, len(seen.totals))


def cap(draw: Draw, shards: Sequence[str], index: Index, most: int, engine: Engine) -> Draw:
    """The same draw from at most so many documents of each group of the capping column."""
    found = Cap(most)
    parts = divided(shards, engine.workers)
    jobs = [_Share(draw, part, index.copy(), [], False, "first of each group") for part in parts]
    for share in engine.merged(_Capped(most), jobs, merged):
        found.merge(share)
    return replace(draw, eligible=found.eligible())


@dataclass(frozen=True)
class _Capped:
    """One share of the pass that finds the first of each group."""

    most: int

    def __call__(self, job: _Share) -> Cap:
        found = Cap(self.most)
        for documents in _batches(job, job.draw.columns("group")):
            group = job.draw.group(documents, job.index)
            order = job.draw.survival(documents, group)
            at = np.flatnonzero(np.asarray(documents.grouped))
            found.add(documents.group[at], order[at], documents.key[at])
        return found


@dataclass(frozen=True)
class Cuts:
    """Between which pairs documents are taken: beyond the lower, up to the upper.

    Attributes:
        lower_order, lower_key, upper_order, upper_key: one for each group; an order that is NaN
            is before all documents.
    """

    lower_order: FloatArray
    lower_key: NDArray[np.uint64]
    upper_order: FloatArray
    upper_key: NDArray[np.uint64]

    def taken(
        self, order: FloatArray, key: NDArray[np.uint64], group: IntArray | None
    ) -> NDArray[np.bool]:
        """bool[n]."""
        upper = _up_to(self.upper_order, self.upper_key, order, key, group)
        if np.isnan(self.lower_order).all():
            return upper
        return upper & ~_up_to(self.lower_order, self.lower_key, order, key, group)


def _up_to(
    orders: FloatArray,
    keys: NDArray[np.uint64],
    order: FloatArray,
    key: NDArray[np.uint64],
    group: IntArray | None,
) -> NDArray[np.bool]:
    end: Any = orders[0] if group is None else orders.take(group, mode="wrap")
    early = order < end
    tied = np.flatnonzero(order == end)
    if len(tied):
        of: Any = 0 if group is None else group[tied]
        early[tied] = key[tied] <= keys[of]
    return np.asarray(early)
