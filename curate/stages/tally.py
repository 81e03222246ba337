"""What an allocation comes to, counted in one pass: by domain, by shard and by place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..corpus import Shard
from ..engines import Engine
from .allocation import Allocation
from .documents import FloatArray, IntArray, Names
from .passes import divided, merged

_OF_A_COPY = 128
"""Bytes of a copy besides its text, about."""
_COLUMNS = ("row", "key", "domain", "inclusion", "n_bytes", "n_tokens")


@dataclass
class Tally:
    """Counts of copies.

    Attributes:
        domains: int64[domains, 3]: documents used, copies, tokens.
        buckets: int64[buckets], copies whose place lies in each of equal parts of [0, 1).
        shards: fingerprint and bytes of the copies of each shard, by name.
    """

    domains: IntArray
    buckets: IntArray
    shards: dict[str, tuple[str, int]]

    @classmethod
    def empty(cls, n_domains: int, n_buckets: int) -> Tally:
        """Nothing yet."""
        return cls(np.zeros((n_domains, 3), np.int64), np.zeros(n_buckets, np.int64), {})

    @property
    def n_copies(self) -> int:
        """Rows of the dataset."""
        return int(self.buckets.sum())

    def merge(self, other: Tally) -> None:
        """Add what was found in another share of the shards."""
        self.domains += other.domains
        self.buckets += other.buckets
        self.shards |= other.shards


@dataclass(frozen=True)
class _Share:
    allocation: Allocation
    shards: Sequence[Shard]
    n_buckets: int


def tally(allocation: Allocation, shards: Sequence[Shard], n_buckets: int, engine: Engine) -> Tally:
    """Count the copies, and check that the shards hold what they held when they were scored.

    Raises:
        ConfigError: a shard has changed.
    """
    by_name = {shard.name: shard for shard in shards}
    parts = divided(list(by_name), engine.workers)
    jobs = [_Share(allocation, [by_name[name] for name in part], n_buckets) for part in parts]
    found = Tally.empty(len(allocation.domains), n_buckets)
    for share in engine.merged(_tally, jobs, merged):
        found.merge(share)
    return found


def _tally(job: _Share) -> Tally:
    allocation, names = job.allocation, Names(job.allocation.domains)
    found = Tally.empty(len(names), job.n_buckets)
    for shard in job.shards:
        allocation.selection.check(shard)
        n_bytes = 0
        for batch in allocation.selection.batches(shard.name, _COLUMNS):
            domain = names.numbers(batch["domain"])
            n = allocation.n_copies(batch, domain)
            tokens = n * batch["n_tokens"].to_numpy()
            for i, amount in enumerate((n > 0, n, tokens)):
                np.add.at(found.domains[:, i], domain, amount)
            n_bytes += int((n * (batch["n_bytes"].to_numpy() + _OF_A_COPY)).sum())
            place = allocation.copies(batch, names).place
            found.buckets += np.bincount(bucket(place, job.n_buckets), minlength=job.n_buckets)
        found.shards[shard.name] = shard.fingerprint, n_bytes
    return found


def bucket(place: FloatArray, n_buckets: int) -> NDArray[np.int64]:
    """In which of ``n_buckets`` equal parts of [0, 1) places lie."""
    return np.minimum((place * n_buckets).astype(np.int64), n_buckets - 1)


def expected_bytes(allocation: Allocation) -> float:
    """Of all copies, as the counts of the selection tell."""
    counts = allocation.selection.manifest["domains"]
    each = [counts[d]["bytes_kept"] + _OF_A_COPY * counts[d]["kept"] for d in allocation.domains]
    return float(allocation.epochs @ np.array(each, float))


def summary(
    allocation: Allocation, found: Tally, mixture: dict[str, float]
) -> dict[str, dict[str, Any]]:
    """Documents in = without a score + not selected + not needed + used, by domain."""
    total = int(found.domains[:, 2].sum())
    counts, out = allocation.selection.manifest["domains"], {}
    for at, name in enumerate(allocation.domains):
        was, (used, copies, tokens) = counts[name], found.domains[at].tolist()
        out[name] = {
            "documents_in": was["documents"],
            "without_score": was["without_score"],
            "not_selected": was["documents"] - was["without_score"] - was["kept"],
            "not_needed": was["kept"] - used,
            "used": used,
            "copies": copies,
            "tokens": tokens,
            "epochs": float(allocation.epochs[at]),
            "share_wanted": mixture.get(name, 0.0),
            "share": tokens / total,
        }
    return out
