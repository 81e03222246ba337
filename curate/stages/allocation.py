"""How often each selected document is in the dataset: whole epochs of its domain, and a part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from samplers import Search

from ..engines import Engine
from ..errors import ConfigError
from ..seeds import lots
from .documents import FloatArray, IntArray, KeyArray, Names
from .passes import divided, merged
from .selection import Selection

_ROOM = 50_000
"""Documents that a pass keeps: lots are uniform, so that a few tell where an epoch ends."""


@dataclass(frozen=True)
class Copies:
    """What some documents of a shard give to the dataset: one entry a copy, by row and epoch.

    Attributes:
        row, key, epoch: of each copy.
        inclusion: how likely its document was to be in the dataset at all.
        place: in [0, 1); the dataset is in the order of these.
    """

    row: IntArray
    key: KeyArray
    epoch: IntArray
    inclusion: FloatArray
    place: FloatArray

    def __len__(self) -> int:
        return len(self.row)

    def __getitem__(self, some: slice) -> Copies:
        return Copies(
            self.row[some],
            self.key[some],
            self.epoch[some],
            self.inclusion[some],
            self.place[some],
        )


@dataclass(frozen=True)
class Allocation:
    """Copies of documents, as shares and a number of tokens ask for them.

    A domain whose share asks for more tokens than were kept is repeated whole, then in part. The
    part takes documents in a random order, so that every epoch looks like its domain, up to the
    document that brings its tokens nearest to what was asked for. The inclusion probability of a
    document is its selection's times the part (at most 1): exact but for that rounding.

    Attributes:
        selection: what was kept.
        domains: names of all.
        epochs: of each domain.
        last_lot: up to which documents of each domain are in its last, partial epoch.
        seed: of the draw and of the shuffle.
    """

    selection: Selection
    domains: list[str]
    epochs: FloatArray
    last_lot: FloatArray
    seed: int

    def n_copies(self, batch: pa.RecordBatch, domain: IntArray) -> IntArray:
        """How often each of some kept documents is there.

        Args:
            batch: of the selection, with a column ``key``.
            domain: numbers of their domains.
        """
        lot = _lots(self.seed, batch)
        return self.epochs.astype(np.int64)[domain] + (lot <= self.last_lot[domain])

    def copies(self, batch: pa.RecordBatch, names: Names) -> Copies:
        """The copies of some kept documents.

        Args:
            batch: of the selection, with columns row, key, domain and inclusion.
            names: of `domains`, in their order.
        """
        domain = names.numbers(batch["domain"])
        n = self.n_copies(batch, domain)
        inclusion = batch["inclusion"].to_numpy() * np.minimum(1.0, self.epochs)[domain]
        row, key, first = batch["row"].to_numpy(), batch["key"].to_numpy(), np.cumsum(n) - n
        row, key, first, inclusion = (np.repeat(a, n) for a in (row, key, first, inclusion))
        epoch = np.arange(len(row)) - first
        place = np.empty(len(row))
        for e in np.unique(epoch):
            place[epoch == e] = lots(self.seed, f"shuffle of epoch {e}", key[epoch == e])
        return Copies(row=row, key=key, epoch=epoch, inclusion=inclusion, place=place)


def allocate(
    selection: Selection,
    shards: Sequence[str],
    mixture: dict[str, float],
    tokens: int,
    seed: int,
    engine: Engine,
) -> Allocation:
    """Find how often each document is there, in passes over the selection.

    Memory: O(domains), and what a pass keeps.

    Args:
        selection: what was kept.
        shards: names of its shards.
        mixture: share of each domain.
        tokens: size of the dataset.
        seed: of the draw and of the shuffle.
        engine: does the passes.

    Raises:
        ConfigError: tokens were not counted, or a domain of which nothing was kept.
    """
    if not selection.manifest["counts_tokens"]:
        raise ConfigError(f"{selection.root} counts no tokens. Select again with --sizes-from.")
    counts = selection.manifest["domains"]
    have = {d for d, count in counts.items() if count["tokens_kept"]}
    nothing = [d for d, share in mixture.items() if share > 0 and d not in have]
    if nothing:
        raise ConfigError(
            f"The mixture gives {mixture[nothing[0]]:.1%} to {nothing[0]!r}, of which nothing "
            f"was kept. Kept: {', '.join(selection.domains)}."
        )
    domains = selection.all_domains
    kept = np.array([counts[d]["tokens_kept"] for d in domains], float)
    wanted = np.array([mixture.get(d, 0.0) * tokens for d in domains])
    epochs = np.divide(wanted, kept, out=np.zeros(len(kept)), where=kept > 0)
    last_lot = _ends(selection, shards, domains, epochs % 1 * kept, seed, engine)
    return Allocation(Selection(selection.root), domains, epochs, last_lot, seed)


@dataclass(frozen=True)
class _Share:
    """One process's share of a pass: what it finds goes into ``found``."""

    selection: Selection
    shards: Sequence[str]
    domains: list[str]
    wanted: FloatArray
    seed: int
    found: Any


def _ends(
    selection: Selection,
    shards: Sequence[str],
    domains: list[str],
    wanted: FloatArray,
    seed: int,
    engine: Engine,
) -> FloatArray:
    """The lot of each domain whose tokens, with all before it, come nearest to ``wanted``."""

    def over(make: Any) -> Any:
        """What a pass finds, by objects that ``make`` gives."""
        parts = divided(shards, engine.workers)
        root = Selection(selection.root)
        jobs = [_Share(root, part, domains, wanted, seed, make()) for part in parts]
        found = make()
        for share in engine.merged(_pass, jobs, merged):
            found.merge(share)
        return found

    search = Search(len(domains), _ROOM)
    while not search.found:
        search.advance(over(search.gather), wanted)
    ends = search.ends
    last = np.array([0.0 if end.last is None else end.last[0] for end in ends])
    last[wanted == 0] = 0.0
    cost = np.array([end.cost for end in ends])
    beyond = over(lambda: _Beyond(last))
    nearer = np.abs(cost + beyond.cost - wanted) < np.abs(cost - wanted)
    return np.where(nearer & np.isfinite(beyond.lot), beyond.lot, last)


def _pass(job: _Share) -> Any:
    """Show all documents of some shards that cost anything, of domains that want any."""
    names = Names(job.domains)
    for shard in job.shards:
        for batch in job.selection.batches(shard, ["key", "domain", "n_tokens"]):
            domain = names.numbers(batch["domain"])
            cost = batch["n_tokens"].to_numpy().astype(np.float64)
            at = np.flatnonzero((cost > 0) & (job.wanted[domain] > 0))
            if len(at):
                lot, key = _lots(job.seed, batch)[at], batch["key"].to_numpy()[at]
                job.found.add(lot, key, cost[at], domain[at])
    return job.found


class _Beyond:
    """The first lot beyond another one, and what its documents cost, of each domain."""

    def __init__(self, last: FloatArray) -> None:
        self._last = last
        self.lot, self.cost = np.full(len(last), np.inf), np.zeros(len(last))

    def add(self, lot: FloatArray, _: KeyArray, cost: FloatArray, domain: IntArray) -> None:
        """Show documents, as to `Gathered.add`."""
        at = np.flatnonzero(lot > self._last[domain])
        self._add(lot[at], cost[at], domain[at])

    def merge(self, other: _Beyond) -> None:
        """Add what another share found."""
        self._add(other.lot, other.cost, np.arange(len(other.lot)))

    def _add(self, lot: FloatArray, cost: FloatArray, domain: IntArray) -> None:
        first = self.lot.copy()
        np.minimum.at(first, domain, lot)
        self.cost[first < self.lot] = 0.0
        self.lot = first
        at = np.flatnonzero(lot == first[domain])
        np.add.at(self.cost, domain[at], cost[at])


def _lots(seed: int, batch: pa.RecordBatch) -> NDArray[np.float64]:
    return lots(seed, "part of an epoch", batch["key"].to_numpy())
