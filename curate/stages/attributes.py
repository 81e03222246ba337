"""Dolma's attribute files, read beside the documents they are about.

    documents/<shard>               {"id": "a", "text": "…"}
    attributes/<name>/<shard>       {"id": "a", "attributes": {"<key>": [[start, end, score], …]}}

One line a document, in the documents' order. Spans count characters.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..columns import json_number
from ..corpus import FORMATS, Corpus, Shard
from ..errors import ConfigError, ShardError
from ..files import digest
from ..places import is_remote, place
from ..readers import Batch, damaged
from ..readers.jsonl import Long, json_lines
from ..registry import did_you_mean
from .texts import Texts

SPANS = ("whole", "mean")
_PEEK = 10_000
"""Lines looked at before an attribute that none of them has is called a mistake."""


class _Line(NamedTuple):
    number: int
    id: str
    attributes: dict[str, Any]


@dataclass(frozen=True)
class Attributes:
    """Documents with the score that an attribute file gives each: a source of chunks.

    Lines are joined to documents by id, in the order of both. A document has a reason in place of
    a score where it has no line ("no_line"), its line lacks the attribute ("no_attribute"), the
    attribute is no list of spans of three numbers ("not_spans", "not_a_number", "not_finite",
    "missing_score"), or none of the spans says what is asked ("no_span"); what cannot be read at
    all has the reader's reason.

    Attributes:
        corpus: the documents.
        root: directory of the attribute files.
        attribute: the key.
        spans: "whole" or "mean"; see `score_of`.
        chunk_rows: documents in a chunk.

    Raises:
        ConfigError: no such directory or attribute, or no such way to read spans.
    """

    corpus: Corpus
    root: str
    attribute: str
    spans: str
    chunk_rows: int

    def __post_init__(self) -> None:
        if self.spans not in SPANS:
            raise ConfigError(f"'spans' must be whole or mean. Got {self.spans!r}.")
        self._check_root()
        self._check_attribute()

    def n_rows(self, shard: Shard) -> int | None:  # noqa: ARG002
        """See `curate.stages.sources.Source.n_rows`: lines are not counted beforehand."""
        return None

    def config(self) -> dict[str, Any]:
        """What decides a score, the content of the attribute files included; reads them once."""
        contents = [[shard.name, _content(self._beside(shard))] for shard in self.corpus.shards]
        return {
            "attribute": self.attribute,
            "spans": self.spans,
            "attributes": f"xxh3:{digest(contents)}",
        }

    def read(
        self, shard: Shard, first_chunk: int = 0, n_chunks: int | None = None
    ) -> Iterator[Batch]:
        """See `curate.stages.sources.Source.read`.

        Raises:
            ShardError: also where a line is of no document, or not in the documents' order.
        """
        stop = None if n_chunks is None else first_chunk + n_chunks
        return itertools.islice(self._joined(shard), first_chunk, stop)

    def nothing(self) -> Batch:
        """No document."""
        return self._texts.nothing()

    @property
    def _texts(self) -> Texts:
        return Texts(self.corpus, self.chunk_rows)

    def _joined(self, shard: Shard) -> Iterator[Batch]:
        beside = self._beside(shard)
        with closing(_lines(beside, self.corpus)) as lines:
            waiting = next(lines, None)
            for batch in self._texts.read(shard):
                scores: list[float] = []
                reasons: list[str | None] = []
                for name, text, unread in zip(batch.ids, batch.texts, batch.reasons, strict=True):
                    score: float = np.nan
                    why: str | None = unread or "no_line"
                    if waiting is not None and waiting.id == name:
                        score, why = self._score(waiting, None if unread else len(text))
                        waiting = next(lines, None)
                    scores.append(score)
                    reasons.append(why)
                yield replace(batch, scores=scores, reasons=reasons)
            if waiting is not None:
                raise ShardError(
                    f"{beside.url} line {waiting.number}: the id {waiting.id!r} is of no document "
                    f"of {shard.url} that comes after those of the lines before. Wanted the ids "
                    f"of the documents, in their order."
                )

    def _score(self, line: _Line, length: int | None) -> tuple[float, str | None]:
        if self.attribute not in line.attributes:
            return np.nan, "no_attribute"
        return score_of(line.attributes[self.attribute], self.spans, length)

    def _beside(self, shard: Shard) -> Shard:
        """The attribute file of a shard of documents."""
        url = f"{self.root.rstrip('/')}/{shard.name}"
        return Shard(
            url=url if is_remote(place(url)) else str(Path(url).absolute()),
            name=shard.name,
            suffix=shard.suffix,
        )

    def _check_root(self) -> None:
        root, shards = place(self.root), self.corpus.shards
        for shard in shards:
            if FORMATS[shard.suffix] != "jsonl":
                raise ConfigError(
                    f"{shard.url}: dolma's documents are JSON lines. For a column of other shards "
                    f"there is `curate import column`."
                )
        if not root.is_dir():
            raise ConfigError(f"{self.root}: no such directory of attribute files.")
        if any((root / shard.name).exists() for shard in shards):
            return
        below = sorted(path for path in root.iterdir() if (path / shards[0].name).exists())
        hint = f" Did you mean {' or '.join(map(str, below))}?" if below else ""
        raise ConfigError(
            f"{self.root} holds no file that is named like one of the documents', such as "
            f"{shards[0].name}.{hint}"
        )

    def _check_attribute(self) -> None:
        """Whether any of the first lines has the attribute, before anything is written."""
        for shard in self.corpus.shards:
            try:
                with closing(_lines(self._beside(shard), self.corpus)) as lines:
                    head = [*itertools.islice(lines, _PEEK)]
            except ShardError:
                continue  # told when it is read
            keys = dict.fromkeys(key for line in head for key in line.attributes)
            if self.attribute in keys:
                return
            if keys:
                raise ConfigError(
                    f"{self._beside(shard).url}: no attribute {self.attribute!r}. "
                    f"{did_you_mean(self.attribute, keys)}"
                )


def score_of(spans: Any, how: str, length: int | None) -> tuple[float, str | None]:
    """One score of a document's spans, and why there is none.

    Args:
        spans: [[start, end, score], …], as found.
        how: "whole": the score of the only span from 0 to the end of the document. "mean": the
            mean over all spans, weighted by their lengths.
        length: of the document, in characters; None where its text could not be read: a whole
            span is then any that is alone and starts at 0.
    """
    if not isinstance(spans, list) or not all(isinstance(s, list) and len(s) == 3 for s in spans):
        return np.nan, "not_spans"
    found = []
    for start, end, given in spans:
        ends = [json_number(start)[0], json_number(end)[0]]
        if not 0 <= ends[0] <= ends[1]:
            return np.nan, "not_spans"
        score, why = json_number(given)
        if why is not None:
            return np.nan, why
        found.append((*ends, score))
    if how == "whole":
        if length is None:
            whole = [score for start, _, score in found if start == 0 and len(found) == 1]
        else:
            whole = [score for start, end, score in found if (start, end) == (0, length)]
        return (whole[0], None) if len(whole) == 1 else (np.nan, "no_span")
    lengths = [end - start for start, end, _ in found]
    if not sum(lengths):
        return np.nan, "no_span"
    return float(np.average([score for *_, score in found], weights=lengths)), None


def _lines(shard: Shard, corpus: Corpus) -> Generator[_Line]:
    """The lines of an attribute file, numbered from 1, blank ones left out.

    Raises:
        ShardError: it cannot be read, or a line is none of an attribute file.
    """
    with damaged(shard, 0), shard.open() as stream:
        for number, line in enumerate(json_lines(stream, shard, corpus), 1):
            try:
                value = None if isinstance(line, Long) else json.loads(line)
                name, attributes = value["id"], value["attributes"]  # type: ignore[index]
                yield _Line(number, str(name), dict(attributes))
            except (ValueError, TypeError, LookupError, RecursionError) as error:
                raise ShardError(
                    f'{shard.url} line {number}: wanted {{"id": …, "attributes": {{…}}}} ({error}).'
                ) from error


def _content(shard: Shard) -> str | None:
    """The fingerprint of an attribute file; None where it cannot be read."""
    try:
        return shard.fingerprint
    except ShardError:
        return None
