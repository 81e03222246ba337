"""The pass that writes what is kept of each shard, and counts all of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ..errors import ConfigError
from ..files import whole
from ..progress import Amount
from ..tables import table_metadata, table_path
from .documents import Documents, FloatArray, IntArray, Names
from .grouping import Index
from .passes import Cuts, Draw, divided
from .sharing import SharedKeys

SHARD_FINGERPRINT = b"shard_fingerprint"
_ROWS = 131_072
"""Fewest rows of a row group, but for the last."""
_STATES = ("without_score", "outside_limits", "not_selected", "kept")
_FIELDS = {
    "row": pa.int64(),
    "key": pa.uint64(),
    "domain": pa.dictionary(pa.int32(), pa.string()),
    "order": pa.float64(),
    "inclusion": pa.float64(),
    "n_bytes": pa.int64(),
    "n_tokens": pa.int64(),
}
# Random numbers do not compress: plain doubles and keys, and small differences of whole numbers,
# are written two to four times as fast as dictionaries with zstd, and are hardly longer.
_WRITING: dict[str, Any] = {
    "compression": "none",
    "use_dictionary": ["domain"],
    "write_statistics": False,
    "column_encoding": dict.fromkeys(("row", "n_bytes", "n_tokens"), "DELTA_BINARY_PACKED"),
}


@dataclass
class Counts:
    """Documents, tokens and bytes of each domain, by what became of them.

    Attributes:
        domains: their names.
        amounts: int64[domains, states, 3].
        shared: documents that share a key.
        unheard: documents counted where no progress is told.
    """

    domains: Names = field(default_factory=Names)
    amounts: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 4, 3), np.int64))
    shared: SharedKeys = field(default_factory=SharedKeys)
    unheard: int = 0

    def add(self, documents: Documents, taken: NDArray[np.bool]) -> None:
        """Count a batch."""
        self._reach()
        state = taken.view(np.uint8) + np.uint8(2)
        state *= ~np.isnan(documents.score)
        if documents.outside is not None:
            state[documents.outside] = 1
        at = documents.domain << 2
        at += state
        n = self.amounts.shape[0] * 4
        # Documents and tokens in one sum: fewer than 2^17 of the ones, below 2^36 of the others.
        packs = len(at) < 2**17 and int(documents.n_tokens.sum(dtype=np.int64)) < 2**36
        if packs:
            both = documents.n_tokens * 131_072.0
            both += 1.0
            sums = np.bincount(at, weights=both, minlength=n).astype(np.int64)
            found = [sums & 131_071, sums >> 17]
        else:
            found = [np.bincount(at, weights=w, minlength=n) for w in (None, documents.n_tokens)]
        found.append(np.bincount(at, weights=documents.n_bytes, minlength=n))
        for i, amount in enumerate(found):
            self.amounts[:, :, i] += amount.astype(np.int64).reshape(-1, 4)
        self.shared.add(documents.key)

    def merge(self, other: Counts) -> None:
        """Add another share's."""
        at = np.array([self.domains.number(name) for name in other.domains.names], np.int64)
        self._reach()
        other._reach()  # one that saw empty shards alone knows domains that it has not counted
        np.add.at(self.amounts, at, other.amounts)
        self.shared.merge(other.shared)
        self.unheard += other.unheard

    def _reach(self) -> None:
        missing = len(self.domains) - len(self.amounts)
        if missing:
            self.amounts = np.concatenate([self.amounts, np.zeros((missing, 4, 3), np.int64)])

    def by_domain(self) -> dict[str, dict[str, int]]:
        """Of each: documents = without_score + outside_limits + not selected + kept, and so on."""
        made = {}
        for name, amounts in sorted(zip(self.domains.names, self.amounts.tolist(), strict=True)):
            states = dict(zip(_STATES, amounts, strict=True))
            documents, tokens, n_bytes = (sum(column) for column in zip(*amounts, strict=True))
            made[name] = {
                "documents": documents,
                "without_score": states["without_score"][0],
                "outside_limits": states["outside_limits"][0],
                "kept": states["kept"][0],
                "tokens": tokens,
                "tokens_kept": states["kept"][1],
                "bytes": n_bytes,
                "bytes_kept": states["kept"][2],
            }
        return made


@dataclass(frozen=True)
class Writing:
    """One process's share of the writing.

    Attributes:
        draw, index, cuts: which documents are kept.
        shards: to write.
        out: directory.
    """

    draw: Draw
    index: Index
    cuts: Cuts
    shards: Sequence[str]
    out: Path

    def divided(self, workers: int) -> list[Writing]:
        """For as many processes."""
        return [
            Writing(self.draw, self.index.copy(), self.cuts, part, self.out)
            for part in divided(self.shards, workers)
        ]


def write(job: Writing) -> Counts:
    """Write the kept documents of some shards, and count all.

    Raises:
        ConfigError: rows of a table do not ascend: documents would count twice.
    """
    counts, progress = Counts(job.index.domains), job.draw.progress
    for shard in job.shards:
        with whole(table_path(job.out, shard)) as temporary:
            _write_shard(job, shard, temporary, counts)
        progress.finish(shard)
    return counts


def _write_shard(job: Writing, shard: str, path: Path, counts: Counts) -> None:
    scored = table_metadata(job.draw.population.scores.table_path(shard))
    metadata = {SHARD_FINGERPRINT: str(scored["shard_fingerprint"]).encode()}
    fields = [pa.field(name, kind, nullable=False) for name, kind in _FIELDS.items()]
    schema = pa.schema(fields, metadata=metadata)
    with pq.ParquetWriter(path, schema, **_WRITING) as writer:
        waiting: list[pa.RecordBatch] = []
        n_waiting = 0
        for columns in _kept(job, shard, counts):
            waiting.append(_batch(columns, job.index, schema))
            n_waiting += len(waiting[-1])
            if n_waiting >= _ROWS:
                writer.write_table(pa.Table.from_batches(waiting).unify_dictionaries())
                waiting, n_waiting = [], 0
        if waiting:
            writer.write_table(pa.Table.from_batches(waiting).unify_dictionaries())


def _kept(job: Writing, shard: str, counts: Counts) -> Iterator[dict[str, Any]]:
    """The columns of what is kept, batch by batch."""
    draw, index, last_row = job.draw, job.index, -1
    wanted = draw.columns("row", "domain", "n_bytes", "n_tokens")
    for documents in draw.population.batches(shard, wanted, index.domains):
        last_row = _check_rows(draw, shard, documents.row, last_row)
        group = draw.group(documents, index)
        order = draw.order(documents, group, index)
        taken = job.cuts.taken(order, documents.key, group)
        counts.add(documents, taken)
        if draw.progress.is_heard:
            draw.progress.add(Amount(len(taken)), shard)
        else:
            counts.unheard += len(taken)
        at = np.flatnonzero(taken)
        mine = None if group is None else group.take(at)
        score = documents.score.take(at)
        yield {
            "row": documents.row.take(at),
            "key": documents.key.take(at),
            "domain": documents.domain.take(at),
            "order": order.take(at),
            "inclusion": draw.sampler.inclusion(score, draw.calibration(mine, index)),
            "n_bytes": documents.n_bytes.take(at).astype(np.int64),
            "n_tokens": documents.n_tokens.take(at).astype(np.int64),
        }


def _batch(columns: dict[str, FloatArray | IntArray], index: Index, schema: Any) -> pa.RecordBatch:
    # The names that occur, sorted: what is written of a shard depends on that shard alone, not on
    # which other shards its process has seen.
    number = columns["domain"].astype(np.int64)
    held = np.flatnonzero(np.bincount(number))
    names = np.array(index.domains.names, object)[held].astype(str)
    by_name = np.argsort(names)
    code = np.empty(len(index.domains), np.int32)
    code[held[by_name]] = np.arange(len(held))
    domain = pa.DictionaryArray.from_arrays(
        pa.array(code.take(number)), pa.array(names[by_name], pa.string())
    )
    arrays = [domain if name == "domain" else pa.array(columns[name]) for name in schema.names]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _check_rows(draw: Draw, shard: str, row: IntArray, last: int) -> int:
    if not len(row):
        return last
    if row[0] <= last or not (row[1:] > row[:-1]).all():
        raise ConfigError(
            f"{draw.population.scores.table_path(shard)} lists rows twice or out of order. Delete "
            f"it, and score {shard} anew."
        )
    return int(row[-1])
