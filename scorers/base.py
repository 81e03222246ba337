"""What every scorer is: text in, one float64 per document out, and a reason where there is none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


class UnexplainedError(ValueError):
    """A score that is no number, without a reason; or a reason beside a score."""


@dataclass(frozen=True)
class Scored:
    """The scores of n documents, in the order the documents came.

    Attributes:
        value: float64[n], in the scorer's unit; NaN exactly where ``reason`` is set.
        reason: why a document has no score ("empty", ...), or None where it has one.
        extra: further columns by name, each of length n (``n_tokens``, ``log_p_no``, ...).
    """

    value: FloatArray
    reason: list[str | None]
    extra: dict[str, NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.value)
        if len(self.reason) != n or any(len(column) != n for column in self.extra.values()):
            raise ValueError(f"Scored: every column must have the length of 'value' ({n}).")
        unexplained = np.isnan(self.value) != np.array([r is not None for r in self.reason], bool)
        if unexplained.any():
            row = int(np.flatnonzero(unexplained)[0])
            raise UnexplainedError(
                f"Scored: document {row} has value {self.value[row]} and reason "
                f"{self.reason[row]!r}; a score is NaN exactly where a reason is given."
            )


@runtime_checkable
class Scorer(Protocol):
    """Gives each document one number.

    Attributes:
        name: the published name, as used for directories ("ask-llm").
        column: the quantity stored ("p_yes").
        unit: its unit ("probability", "nats/token").
        higher_is_better: the direction in which top-k selects; None where neither end is better.
    """

    name: ClassVar[str]
    column: ClassVar[str]
    unit: ClassVar[str]
    higher_is_better: ClassVar[bool | None]

    def score(self, texts: Sequence[str]) -> Scored:
        """Score texts; the result for one text does not depend on its neighbours."""
        ...

    def config(self) -> dict[str, Any]:
        """Everything that decides a score, as plain JSON values: the scorer's fingerprint."""
        ...


@runtime_checkable
class PreparingScorer(Scorer, Protocol):
    """A scorer whose work falls in two: what needs no model may be done ahead, in a thread.

    ``score(texts)`` is ``score_prepared(prepare(texts))``.
    """

    def prepare(self, texts: Sequence[str]) -> Any:
        """Tokenize, truncate, cut into windows."""
        ...

    def score_prepared(self, prepared: Any) -> Scored:
        """Run the model on what `prepare` made."""
        ...


class FittableScorer(Protocol):
    """A scorer that must see the corpus first, shard by shard and in any order."""

    name: ClassVar[str]

    def fit(self, batches: Iterable[Sequence[str]]) -> Any:
        """One worker's share of the corpus, reduced to a state."""
        ...

    def merge(self, states: Sequence[Any]) -> Scorer:
        """Unite the states, in any order and grouping, into a scorer."""
        ...

    def config(self) -> dict[str, Any]:
        """Everything that decides a score, as plain JSON values."""
        ...


def reason_for_empty(text: str) -> str | None:
    """The one definition of an empty document: nothing but white space."""
    return None if text.strip() else "empty"
