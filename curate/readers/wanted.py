"""What is asked of a shard: which columns, and which rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..corpus import Corpus, Shard
from ..errors import ShardError


class Columns(NamedTuple):
    """The columns that are read of a shard, by what they hold."""

    text: str | None
    id: str | None
    domain: str | None
    group: str | None
    vector: str | None
    score: str | None

    @property
    def names(self) -> list[str]:
        """Each once."""
        return list(dict.fromkeys(name for name in self if name is not None))


@dataclass(frozen=True)
class Wanted:
    """What to read.

    Attributes:
        shard: of the corpus.
        corpus: says which columns hold what.
        chunk_rows: documents in a chunk; no more are held at a time than a chunk of the longest.
        first: rows left out at the start.
        stop: the row to stop before; None: read to the end.
        vector: column of vectors, which are read in place of the texts.
        score: column of scores, which are read in place of the texts.
    """

    shard: Shard
    corpus: Corpus
    chunk_rows: int
    first: int
    stop: int | None
    vector: str | None
    score: str | None = None

    @property
    def reads_text(self) -> bool:
        """Whether it is the texts that are wanted; where they are not, there need be none."""
        return self.vector is None and self.score is None

    @property
    def most_bytes(self) -> int:
        """Of a chunk of documents that are as long as they may be."""
        return self.chunk_rows * self.corpus.max_document_bytes

    def columns(self, names: Sequence[str]) -> Columns:
        """Those that a shard with these columns has, all that were asked for among them.

        Raises:
            ShardError: one that was asked for is not there, or there twice.
        """
        corpus, vector, score = self.corpus, self.vector, self.score
        text = corpus.text_column if self.reads_text or corpus.text_column in names else None
        for wanted, option in (
            (text, "--text-column"),
            (vector, "--vector-column"),
            (score, "--score-column"),
            (corpus.id_column, "--id-column"),
            (corpus.domain_column, "--domain-column"),
            (corpus.group_column, "--group-column"),
        ):
            if wanted is not None and wanted not in names:
                raise ShardError(
                    f"{self.shard.url}: no column {wanted!r}. It has "
                    f"{', '.join(map(repr, names))}: name one with {option}."
                )
        id_column = corpus.id_column or ("id" if "id" in names else None)
        found = Columns(text, id_column, corpus.domain_column, corpus.group_column, vector, score)
        for name in found.names:
            if names.count(name) > 1:
                raise ShardError(
                    f"{self.shard.url}: {names.count(name)} columns are called {name!r}, and it "
                    f"is not known which is meant. Rename one."
                )
        return found
