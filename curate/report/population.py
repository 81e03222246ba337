"""The documents of a run as a report sees them: counts of all, numbers of a uniform sample."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from samplers import Take

from ..corpus import Shard
from ..places import read_parquet
from ..schema import SCORE
from ..seeds import lots
from ..stages.aligned import numbers, shard_fingerprint
from ..tables import ScoreStore, reason_counts, table_path

FloatArray = NDArray[np.float64]

MOST = 50_000
"""Documents in the sample."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Documents drawn uniformly by permanent random number, or all where there are fewer.

    Attributes:
        names: of the scorers.
        shard: name of each document's shard.
        row: int64[n], its row there.
        key: uint64[n].
        domain: name of its domain.
        n_bytes: int64[n], of its text.
        score: float64[n, scorers], NaN where there is none.
        inclusion: float64[n], inclusion probability where it was kept, NaN where not; None: there
            is no selection.
        n_documents: of all, from which the sample was drawn.
    """

    names: Sequence[str]
    shard: NDArray[np.object_]
    row: NDArray[np.int64]
    key: NDArray[np.uint64]
    domain: NDArray[np.object_]
    n_bytes: NDArray[np.int64]
    score: FloatArray
    inclusion: FloatArray | None
    n_documents: int

    def __len__(self) -> int:
        return len(self.row)

    @property
    def kept(self) -> NDArray[np.bool] | None:
        """Which documents were kept; None: there is no selection."""
        return None if self.inclusion is None else ~np.isnan(self.inclusion)

    @property
    def said(self) -> str:
        """What it is, for captions."""
        if len(self) == self.n_documents:
            return f"All {len(self):,} documents."
        return f"A uniform sample of {len(self):,} of {self.n_documents:,} documents."


@dataclass(frozen=True)
class Tables:
    """Score tables of the same documents.

    Attributes:
        stores: at least one.
        others: tables of other documents, which cannot be compared with these.
    """

    stores: Sequence[ScoreStore]
    others: Sequence[ScoreStore]

    @classmethod
    def of(cls, stores: Sequence[ScoreStore]) -> Tables:
        """The largest set that describes the same shards, and the rest."""
        known = {id(store): _shards(store) for store in stores}
        alike = [
            [other for other in stores if known[id(other)] == known[id(store)]] for store in stores
        ]
        same = max(alike, key=lambda found: (len(found), len(known[id(found[0])])))
        return cls(same, [store for store in stores if store not in same])

    @property
    def shards(self) -> list[str]:
        """Names of the shards, sorted."""
        return self.stores[0].shard_names()

    def holds(self, shard: Shard) -> bool:
        """Whether a shard is still as large as when it was scored; in a store, the same object."""
        told = shard_fingerprint(self.stores[0], shard.name)
        if not shard.is_local:
            return shard.fingerprint == told
        path = Path(shard.url)
        return path.is_file() and path.stat().st_size == int(told.partition(":")[0])

    def counts(self) -> dict[str, dict[str, Counter[str]]]:
        """Of each scorer documents by domain ("documents"), and reasons ("reasons")."""
        found = {}
        for store in self.stores:
            domains, reasons = Counter[str](), Counter[str]()
            for _, table in store.tables(["domain", "reason"]):
                of = table["domain"].cast(pa.string()).value_counts().to_pylist()
                domains.update({one["values"]: one["counts"] for one in of})
                reasons.update(reason_counts(table))
            found[store.name] = {"documents": domains, "reasons": reasons}
        return found

    def sample(self, selection: Path | None, *, most: int = MOST, seed: int = 0) -> Sample:
        """Draw documents; see `Sample`.

        Args:
            selection: directory of one made from these tables; None: there is none.
            most: documents.
            seed: of the draw.
        """
        take, n_documents = Take(most), 0
        for key in self._keys():
            take.add(lots(seed, "report", key), key, np.ones(len(key)))
            n_documents += len(key)
        cutoff = take.cutoff()
        parts: list[dict[str, Any]] = []
        for shard, key in zip(self.shards, self._keys(), strict=True):
            at = np.flatnonzero(cutoff.taken(lots(seed, "report", key), key))
            if len(at):
                parts.append(self._drawn(shard, at, selection))
        joined: dict[str, Any] = {
            name: np.concatenate([part[name] for part in parts]) if parts else np.empty(0)
            for name in ("shard", "row", "key", "domain", "n_bytes", "score", "inclusion")
        }
        if selection is None:
            joined["inclusion"] = None
        return Sample(names=[s.name for s in self.stores], n_documents=n_documents, **joined)

    def _keys(self) -> Iterator[NDArray[np.uint64]]:
        for _, table in self.stores[0].tables(["key"]):
            yield table["key"].to_numpy()

    def _drawn(self, shard: str, at: NDArray[np.int64], selection: Path | None) -> dict[str, Any]:
        found = [
            next(store.tables(["row", "key", "domain", SCORE, "n_bytes"], [shard]))[1].take(at)
            for store in self.stores
        ]
        first = found[0]
        row = first["row"].to_numpy()
        inclusion = np.full(len(row), np.nan)
        if selection is not None:
            kept = read_parquet(table_path(selection, shard), ["row", "inclusion"])
            rows = kept["row"].to_numpy()
            place = np.searchsorted(rows, row)
            there = (place < len(rows)) & (np.append(rows, -1)[place] == row)
            inclusion[there] = kept["inclusion"].to_numpy()[place[there]]
        return {
            "shard": np.full(len(row), shard, object),
            "row": row,
            "key": first["key"].to_numpy(),
            "domain": np.array(first["domain"].cast(pa.string()).to_pylist(), object),
            "n_bytes": first["n_bytes"].to_numpy().astype(np.int64),
            "score": np.stack([numbers(table) for table in found], axis=1),
            "inclusion": inclusion,
        }


def ranks(sample: Sample, better: Sequence[bool | None]) -> FloatArray:
    """Where each document stands by each scorer, float64[n, scorers] in (0, 100], NaN without one.

    100 is the better end; of scores without one, the greatest. Ties share their mean rank.

    Args:
        sample: the documents.
        better: of each scorer, whether a higher score is better.
    """
    from scipy.stats import rankdata

    turned = sample.score * np.array([-1.0 if b is False else 1.0 for b in better])
    n = (~np.isnan(turned)).sum(axis=0)
    found = rankdata(turned, axis=0, nan_policy="omit")
    return np.asarray(100.0 * found / np.maximum(n, 1), np.float64)


def _shards(store: ScoreStore) -> frozenset[tuple[str, str]]:
    return frozenset((name, shard_fingerprint(store, name)) for name in store.shard_names())
