"""Copies of documents on their way to their place: sorted runs in files, one for some shards.

    OUT/.spool/00000007.arrow   record batches, each of one bucket of places, run after run
    OUT/.spool/00000007.npy     the bucket of each batch, and where it begins; written last

Memory: O(one run), whatever the shards hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from .. import interrupts
from ..corpus import Corpus, Shard
from ..errors import ConfigError
from ..files import whole
from ..places import is_remote
from ..progress import Phase
from ..readers import Batch, read
from ..tables import ScoreStore
from .allocation import Allocation, Copies
from .documents import IntArray, Names
from .selection import Ascending, column_batches
from .sources import Piece, pieces
from .tally import bucket

PLACE = "__place"
_CHUNK = 1024
SLICE = 64 * 2**10
"""Bytes that one bucket has in a run, about: enough to be read in one go."""
_TEXTS = 64 * 2**20
"""Most bytes of text that are copied at once."""
_FILE = 256 * 2**20
"""Bytes of the copies in one file, about; of a shard in one piece."""
_TYPES = {
    "id": pa.string(),
    "text": pa.large_string(),
    "domain": pa.string(),
    "shard": pa.string(),
    "row": pa.int64(),
    "key": pa.uint64(),
    "epoch": pa.int32(),
    "inclusion": pa.float64(),
}


def schema(scores: Sequence[str]) -> pa.Schema:
    """Of a dataset with these scores."""
    return pa.schema([*_TYPES.items(), *((name, pa.float64()) for name in scores)])


def jobs(shards: Sequence[tuple[Shard, int]]) -> list[tuple[int, list[Piece]]]:
    """What goes into one file each: small shards together, large ones in pieces.

    Args:
        shards: with the bytes of their copies, in their order; those without are left out.
    """
    made: list[list[Piece]] = []
    room = 0
    for shard, n_bytes in shards:
        if n_bytes >= _FILE:
            made += [[piece] for piece in pieces(shard, _CHUNK, _FILE)]
            room = 0
        elif n_bytes:
            if n_bytes > room:
                made.append([])
                room = _FILE
            made[-1].append(Piece(shard))
            room -= n_bytes
    return list(enumerate(made))


@dataclass(frozen=True)
class Spool:
    """Writes the copies of some shards, and reads those of some buckets.

    Attributes:
        directory: of the files.
        corpus: of the shards.
        allocation: says how often each document comes, and where.
        stores: each becomes a column.
        n_buckets: equal parts of the places.
        phase: told of the documents.
    """

    directory: Path
    corpus: Corpus
    allocation: Allocation
    stores: Sequence[ScoreStore]
    n_buckets: int
    phase: Phase = field(default_factory=Phase)

    def __call__(self, job: tuple[int, Sequence[Piece]]) -> int:
        """Write one file, unless it is there; returns its number.

        Raises:
            ConfigError: score tables of other documents.
            ShardError: a shard cannot be read.
        """
        number, pieces_ = job
        index = self._path(number, "npy")
        if not index.exists():
            with whole(self._path(number, "arrow")) as temporary:
                buckets = self._write(pieces_, temporary)
            with whole(index) as temporary, temporary.open("wb") as stream:
                np.save(stream, buckets)
        return number

    def buckets(self, number: int) -> IntArray:
        """The bucket of each batch of a file, and where the batch begins, int64[batches, 2]."""
        with self._path(number, "npy").open("rb") as stream:
            return np.asarray(np.load(stream, allow_pickle=False))

    def batches(self, number: int, starts: IntArray) -> Iterator[pa.RecordBatch]:
        """The batches of a file that begin there; nothing else of it is read."""
        path: Any = self._path(number, "arrow")
        opened = pa.PythonFile(path.open("rb")) if is_remote(path) else pa.OSFile(str(path), "rb")
        fields = self._fields
        with opened as stream:
            for start in starts.tolist():
                stream.seek(start)
                yield pa.ipc.read_record_batch(pa.ipc.read_message(stream), fields)

    def _path(self, number: int, suffix: str) -> Path:
        return self.directory / f"{number:08d}.{suffix}"

    def _write(self, pieces_: Sequence[Piece], path: Path) -> IntArray:
        index: list[IntArray] = [np.empty((0, 2), np.int64)]
        run: list[pa.RecordBatch] = []
        held, most = 0, SLICE * self.n_buckets
        fields = self._fields
        with pa.OSFile(str(path), "wb") as sink:
            for piece in pieces_:
                for batch in self._batches(piece, fields):
                    run.append(batch)
                    self.phase.see(len(batch))
                    held += batch.nbytes
                    if held >= most:
                        index.append(self._flush(run, sink))
                        held = 0
            if run:
                index.append(self._flush(run, sink))
        return np.concatenate(index)

    @property
    def _fields(self) -> pa.Schema:
        names = [store.name for store in self.stores]
        return schema(names).append(pa.field(PLACE, pa.float64()))

    def _flush(self, run: list[pa.RecordBatch], sink: Any) -> IntArray:
        """Write a run, sorted by bucket; copies of one bucket stay in their order."""
        batch = pa.concat_batches(run) if len(run) > 1 else run[0]
        run.clear()
        of = bucket(batch[PLACE].to_numpy(), self.n_buckets)
        order = np.argsort(of, kind="stable")
        found, starts = np.unique(of[order], return_index=True)
        begins = []
        for start, stop in zip(starts, [*starts[1:], len(batch)], strict=True):
            begins.append(sink.tell())
            sink.write(batch.take(pa.array(order[start:stop])).serialize())
        return np.stack([found, np.array(begins, np.int64)], axis=1)

    def _batches(self, piece: Piece, fields: pa.Schema) -> Iterator[pa.RecordBatch]:
        """The copies of a piece in the order of rows and epochs, with all their columns."""
        shard, names = piece.shard, Names(self.allocation.domains)
        first = piece.first * _CHUNK
        columns = ["row", "key", "domain", "inclusion"]
        kept = Ascending(self.allocation.selection.batches(shard.name, columns))
        scores = [Scores(store, shard.name) for store in self.stores]
        for feed in (kept, *(one.feed for one in scores)):
            feed.skip(first)
        for batch in read(shard, self.corpus, _CHUNK, piece.first, piece.n_chunks):
            interrupts.check()
            own = [one.of(batch) for one in scores]
            for part in kept.below(int(batch.rows[-1]) + 1):
                copies = self.allocation.copies(part, names)
                for some in _bounded(copies, batch):
                    arrays = _columns(shard, batch, some, own)
                    yield pa.RecordBatch.from_arrays(arrays, schema=fields)
            if kept.is_over:
                return
        if piece.n_chunks is None:  # the shard ended, and rows that were kept have not come
            raise ConfigError(
                f"{shard.url} has fewer documents than when it was scored. Score and select anew."
            )


class Scores:
    """The scores of one shard, beside its documents.

    Args:
        store: their tables.
        shard: its name.

    Raises:
        ConfigError: there is no table of it.
    """

    def __init__(self, store: ScoreStore, shard: str) -> None:
        self._path, self._shard = store.table_path(shard), shard
        if not self._path.exists():
            raise ConfigError(f"{store.root} has no table of shard {shard}. Score it there too.")
        self.feed = Ascending(column_batches(self._path, ["row", "score"]))

    def of(self, batch: Batch) -> pa.Array:
        """Those of the next documents."""
        parts = self.feed.below(int(batch.rows[-1]) + 1)
        rows = [part["row"].to_numpy() for part in parts]
        if not np.array_equal(np.concatenate([batch.rows[:0], *rows]), batch.rows):
            raise ConfigError(
                f"{self._path} describes other documents than {self._shard} holds, near row "
                f"{batch.rows[0]}. Score the shard there anew."
            )
        return pa.concat_arrays([part["score"] for part in parts])


def _bounded(copies: Copies, batch: Batch) -> Iterator[Copies]:
    """Copies, so many at a time that their texts fit a run: a document may come many times."""
    local = copies.row - int(batch.rows[0])
    of = np.cumsum(batch.n_bytes.astype(np.int64)[local]) // _TEXTS
    starts = [*np.unique(of, return_index=True)[1].tolist(), len(copies)]
    for start, stop in pairwise(starts):
        yield copies[start:stop]


def _columns(
    shard: Shard, batch: Batch, copies: Copies, scores: Sequence[pa.Array]
) -> list[pa.Array]:
    """In the order of `schema`, and the places."""
    at = copies.row - int(batch.rows[0])
    same = len(at) == len(batch) and bool((at == np.arange(len(at))).all())

    def taken(array: pa.Array) -> pa.Array:
        return array if same else array.take(pa.array(at))

    text = batch.text.fill_null("") if batch.text.null_count else batch.text
    return [
        taken(pa.array(batch.ids, pa.string())),
        taken(text),
        taken(pa.array(batch.domains, pa.string())),
        pa.repeat(pa.scalar(shard.name, pa.string()), len(at)),
        pa.array(copies.row),
        pa.array(copies.key),
        pa.array(copies.epoch, pa.int32()),
        pa.array(copies.inclusion),
        *map(taken, scores),
        pa.array(copies.place),
    ]
