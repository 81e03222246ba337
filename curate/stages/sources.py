"""Documents shard by shard, whatever they are read from, and the cutting of large shards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, Protocol, TypeVar

from ..corpus import Shard
from ..engines import Engine
from ..errors import BackendError, CorpusError, ShardError
from ..readers import Rows, row_counts
from .score_report import Counted

Chunk = TypeVar("Chunk", bound=Rows)
Chunk_co = TypeVar("Chunk_co", bound=Rows, covariant=True)
FAULTS = (RuntimeError, ValueError, TypeError, IndexError, ArithmeticError)


class Source(Protocol[Chunk_co]):
    """Documents, shard by shard, in chunks whose boundaries never move."""

    @property
    def chunk_rows(self) -> int:
        """Documents in a chunk, but for the last of a shard."""
        ...

    def read(
        self, shard: Shard, first_chunk: int = 0, n_chunks: int | None = None
    ) -> Iterator[Chunk_co]:
        """Chunks of one shard, from one on, and no more than so many.

        Raises:
            ShardError: the shard cannot be read to its end.
        """
        ...

    def n_rows(self, shard: Shard) -> int | None:
        """Documents of a shard, where it says so; None: only reading tells."""
        ...

    def nothing(self) -> Chunk_co:
        """A chunk of no documents, for the table of a shard that has none."""
        ...


@dataclass(frozen=True)
class Piece:
    """Some chunks of a shard, in a row.

    Attributes:
        shard: the shard.
        first: its first chunk.
        n_chunks: how many; None: all to the end.
    """

    shard: Shard
    first: int = 0
    n_chunks: int | None = None

    @property
    def is_whole(self) -> bool:
        """Whether this is all of the shard."""
        return self.first == 0 and self.n_chunks is None


def pieces(shard: Shard, chunk_rows: int, n_bytes: int) -> list[Piece]:
    """A shard in pieces of about so many bytes of file, cut where its row groups are.

    The last one goes to the end. What has no row groups stays whole, and so does an embedding
    table, which has no format of its own.

    Raises:
        ShardError: the shard cannot be read.
    """
    n_pieces = -(-shard.size // n_bytes)
    rows = row_counts(shard) if n_pieces > 1 and shard.suffix else None
    if not rows:
        return [Piece(shard)]
    ends = [*accumulate(rows)]
    wanted = (ends[-1] * number // n_pieces for number in range(1, n_pieces))
    # The end of the row group that is nearest, then up to where a chunk begins.
    cuts = {-(-min(ends, key=lambda end: abs(end - at)) // chunk_rows) for at in wanted}
    bounds = [0, *sorted(cut for cut in cuts if 0 < cut * chunk_rows < ends[-1])]
    lengths: list[int | None] = [b - a for a, b in pairwise(bounds)]
    return [Piece(shard, first, n) for first, n in zip(bounds, [*lengths, None], strict=True)]


def fingerprinted(shards: Sequence[Shard], engine: Engine) -> tuple[list[Shard], list[Counted]]:
    """The shards that can be opened, their fingerprints known, and why the others cannot."""
    found = sorted(engine.map(_fingerprinted, shards), key=lambda pair: pair[0].name)
    failed = [Counted(shard=shard.name, failed=why) for shard, why in found if why is not None]
    return [shard for shard, why in found if why is None], failed


def _fingerprinted(shard: Shard) -> tuple[Shard, str | None]:
    try:
        _ = shard.fingerprint  # it travels with the shard
    except ShardError as error:
        return shard, str(error)
    return shard, None


@contextmanager
def corpus_fault(about: str) -> Iterator[None]:
    """What a library says of a corpus as a whole that it cannot work with."""
    try:
        yield
    except ValueError as error:
        raise CorpusError(str(error)) from error
    except (RuntimeError, ArithmeticError) as error:
        raise BackendError(f"{about}: {error}") from error


@contextmanager
def says_where(name: str, shard: Shard, chunk: Rows | None) -> Iterator[None]:
    """Faults of a library as errors that name the shard and the rows in work."""
    try:
        yield
    except FAULTS as error:
        raise fault(name, shard, chunk, error) from error


def fault(name: str, shard: Shard, chunk: Rows | None, error: Exception) -> BackendError:
    """The error that says so."""
    at = f", rows {chunk.rows[0]} to {chunk.rows[-1]}" if chunk is not None and len(chunk) else ""
    return BackendError(f"{name} on {shard.url}{at}: {error}")


def described(scorer: Any) -> dict[str, Any]:
    """What the configuration of a store says of a scorer."""
    return {
        "scorer": scorer.name,
        "column": scorer.column,
        "unit": scorer.unit,
        "higher_is_better": scorer.higher_is_better,
        "config": scorer.config(),
    }
