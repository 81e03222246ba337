"""A scorer over any iterable of records, lazily."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Generic, NamedTuple, TypeVar

from scorers.base import Scorer

from ..errors import ConfigError
from ..registry import Recipe, did_you_mean
from ..schema import nullable
from .scoring import Scoring

Record = TypeVar("Record")


class ScoredRecord(NamedTuple, Generic[Record]):
    """A record, as it came, and its score.

    Attributes:
        record: the very same object.
        score: None exactly where there is a reason.
        reason: why there is no score, or None.
        extra: the scorer's further columns, None where they have no value.
    """

    record: Record
    score: float | None
    reason: str | None
    extra: dict[str, Any]


def scored(
    scorer: Scorer | Recipe,
    records: Iterable[Record],
    *,
    text: str | Callable[[Record], object] = "text",
    batch_size: int = 64,
) -> Iterator[ScoredRecord[Record]]:
    """Each record with its score, in the order they come; ``batch_size`` of them are held.

    Args:
        scorer: see `curate.adapters.scoring.Scoring`.
        records: strings, mappings, or whatever ``text`` knows how to read.
        text: the key of the text in a mapping, or a function of the record that gives it.
        batch_size: records scored together.

    Raises:
        ConfigError: at once, where the scorer cannot score a text by itself; at a record, where
            it is a mapping without the key.

    Example:
        >>> from curate.demo import MODEL_PATH
        >>> from scorers import Perplexity
        >>> [one.reason for one in scored(Perplexity(model=str(MODEL_PATH)), ["import sys", ""])]
        [None, 'empty']
    """
    if batch_size < 1:
        raise ConfigError(f"'batch_size' of scored must be at least 1. Got {batch_size}.")
    return _scored(Scoring(scorer), records, text, batch_size)


def _scored(
    scoring: Scoring, records: Iterable[Record], text: Any, batch_size: int
) -> Iterator[ScoredRecord[Record]]:
    waiting = iter(records)
    while batch := [*islice(waiting, batch_size)]:
        found = scoring([_text(record, text) for record in batch])
        extra = {name: nullable(values).to_pylist() for name, values in found.extra.items()}
        for i, (record, reason) in enumerate(zip(batch, found.reason, strict=True)):
            score = None if reason is not None else float(found.value[i])
            yield ScoredRecord(record, score, reason, {name: extra[name][i] for name in extra})


def _text(record: Any, text: Any) -> object:
    if callable(text):
        return text(record)
    if record is None or isinstance(record, str):
        return record
    try:
        return record[text]
    except KeyError:
        known = did_you_mean(text, map(str, record))
    except (TypeError, IndexError):
        known = f"Got {type(record).__name__}; give text= a function of a record."
    raise ConfigError(f"A record has no {text!r}. {known} Say where its text is with text=…")
