"""Steps of a datatrove pipeline: one that writes scores into metadata, one that filters by them.

Imported by itself, as it needs that package: ``from curate.adapters.datatrove import ScoreFilter``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isnan
from typing import Any

from scorers.base import Scorer

from ..errors import ConfigError
from ..registry import Recipe
from ..schema import nullable
from .scoring import Scoring

try:
    from datatrove.pipeline.base import PipelineStep
    from datatrove.pipeline.filters.base_filter import BaseFilter
    from datatrove.utils.batching import batched
except ImportError as error:
    raise ConfigError(
        f"The steps of datatrove need that package: pip install 'datatrove>=0.10' ({error})."
    ) from error


class ScoreAnnotator(PipelineStep):  # type: ignore[misc]
    """Writes ``<name>``, ``<name>_reason`` and the scorer's extras into each document's metadata.

    The score is None exactly where there is a reason; every document goes on. Statistics count
    documents as "total", "scored" and, by reason, "without_score_<reason>".

    Args:
        scorer: see `curate.adapters.scoring.Scoring`.
        name: of the keys; None: the scorer's.
        batch_size: documents scored together.

    Raises:
        ConfigError: the scorer cannot score a text by itself; when it runs: a document's metadata
            has such a key already.
    """

    type = "SCORER"

    def __init__(
        self, scorer: Scorer | Recipe, *, name: str | None = None, batch_size: int = 64
    ) -> None:
        _check_size("ScoreAnnotator", batch_size)
        self.scoring, self.batch_size = Scoring(scorer, name), batch_size
        self.name = self.scoring.name
        super().__init__()

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Iterator[Any]:  # noqa: ARG002
        """See `PipelineStep.run`."""
        for batch in batched(data, self.batch_size):
            with self.track_time("batch"):
                reasons = _annotate(self.scoring, batch)
            for document, reason in zip(batch, reasons, strict=True):
                self.stat_update("total")
                self.stat_update("scored" if reason is None else f"without_score_{_kind(reason)}")
                if isinstance(document.text, str):
                    self.update_doc_stats(document)
                yield document


class ScoreFilter(BaseFilter):  # type: ignore[misc]
    """Keeps the documents whose score is within limits, and writes it into their metadata.

    A document that is dropped has a reason, under which it is counted: "<name>_too_low",
    "<name>_too_high", "<name>_missing_<reason>". The metadata are those of `ScoreAnnotator`, also
    in what an exclusion writer is given.

    Args:
        scorer: see `curate.adapters.scoring.Scoring`.
        at_least: the least score that is kept; None: any.
        at_most: the greatest one; None: any.
        without_score: "drop" or "keep" documents that have none.
        name: of the keys; None: the scorer's.
        batch_size: documents scored together.
        exclusion_writer: is given what is dropped.

    Raises:
        ConfigError: no limit, or none that a score can meet; and as `ScoreAnnotator`.
    """

    def __init__(
        self,
        scorer: Scorer | Recipe,
        *,
        at_least: float | None = None,
        at_most: float | None = None,
        without_score: str = "drop",
        name: str | None = None,
        batch_size: int = 64,
        exclusion_writer: Any = None,
    ) -> None:
        _check_size("ScoreFilter", batch_size)
        if at_least is None and at_most is None:
            raise ConfigError("ScoreFilter keeps what is within limits: give at_least or at_most.")
        limits = [limit for limit in (at_least, at_most) if limit is not None]
        if sorted(limits) != limits or any(isnan(limit) for limit in limits):
            raise ConfigError(
                f"No score is at least {at_least} and at most {at_most}. Give other limits."
            )
        if without_score not in ("drop", "keep"):
            raise ConfigError(f"'without_score' must be drop or keep. Got {without_score!r}.")
        self.scoring, self.at_least, self.at_most = Scoring(scorer, name), at_least, at_most
        self.without_score, self.name = without_score, self.scoring.name
        super().__init__(exclusion_writer, batch_size)

    def filter(self, doc: Any) -> bool | tuple[bool, str]:
        """See `BaseFilter.filter`."""
        return self.filter_batch([doc])[0]

    def filter_batch(self, batch: list[Any]) -> list[bool | tuple[bool, str]]:
        """See `BaseFilter.filter_batch`."""
        reasons = _annotate(self.scoring, batch)
        return [
            self._decide(document.metadata[self.name], reason)
            for document, reason in zip(batch, reasons, strict=True)
        ]

    def _decide(self, score: float, reason: str | None) -> bool | tuple[bool, str]:
        if reason is not None:
            return self.without_score == "keep" or (False, f"{self.name}_missing_{_kind(reason)}")
        if self.at_least is not None and score < self.at_least:
            return False, f"{self.name}_too_low"
        if self.at_most is not None and score > self.at_most:
            return False, f"{self.name}_too_high"
        return True


def _annotate(scoring: Scoring, documents: Sequence[Any]) -> list[str | None]:
    """Write scores into metadata; gives the reasons why there are none."""
    found = scoring([document.text for document in documents])
    keys = {name: f"{scoring.name}_{name}" for name in ("reason", *found.extra)}
    extra = {keys[name]: nullable(values).to_pylist() for name, values in found.extra.items()}
    for i, (document, reason) in enumerate(zip(documents, found.reason, strict=True)):
        told = {
            scoring.name: None if reason is not None else float(found.value[i]),
            keys["reason"]: reason,
            **{key: values[i] for key, values in extra.items()},
        }
        if taken := [key for key in told if key in document.metadata]:
            raise ConfigError(
                f"The metadata of document {document.id} have {taken[0]!r} already. Give another "
                f"name=…"
            )
        document.metadata.update(told)
    return found.reason


def _kind(reason: str) -> str:
    """A reason without what the scorer said, which may be another for each document."""
    return reason.partition(":")[0]


def _check_size(step: str, batch_size: int) -> None:
    if batch_size < 1:
        raise ConfigError(f"'batch_size' of {step} must be at least 1. Got {batch_size}.")
