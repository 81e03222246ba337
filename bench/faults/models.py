"""Models that raise on some texts, hang, run out of memory or return no number."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from curate.corpus import Corpus
from curate.stages.measuring import Policy
from curate.stages.score import score
from scorers.base import Scored, reason_for_empty


@dataclass(frozen=True, kw_only=True)
class Moody:
    """Characters of a text; does something else about some texts, if it is in the mood.

    Attributes:
        mood: "raises", "hangs", "memory", "nan", or "" for none.
    """

    name: ClassVar[str] = "moody"
    column: ClassVar[str] = "n_chars"
    unit: ClassVar[str] = "characters"
    higher_is_better: ClassVar[bool | None] = True

    mood: str = ""

    def score(self, texts: Sequence[str]) -> Scored:
        """See `Scorer.score`."""
        bad = np.array([len(text) % 97 == 3 for text in texts])
        if self.mood == "raises" and bad.any():
            raise RuntimeError("the model has no answer")
        if self.mood == "memory" and len(texts) > 3:
            raise MemoryError
        if self.mood == "hangs" and bad.any():
            time.sleep(600)
        reasons = [reason_for_empty(text) for text in texts]
        value = np.array([float(len(text)) for text in texts])
        value[[why is not None for why in reasons]] = np.nan
        if self.mood == "nan":
            value[bad] = np.nan
        return Scored(value, reasons, {"n_tokens": np.array([len(t) for t in texts], np.int32)})

    def config(self) -> dict[str, Any]:
        """See `Scorer.config`: a mood decides no score."""
        return {}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One call of `score`.

    Attributes:
        corpus, out: directories.
        mood: of the model.
        on_error: policy.
    """

    corpus: Path
    out: Path
    mood: str = ""
    on_error: str = "skip"


def run(case: Case) -> None:
    """Score, and print how many documents there were and are without a score, and why."""
    report = score(
        Corpus(inputs=(str(case.corpus),)),
        Moody(mood=case.mood),
        case.out,
        chunk_rows=16,
        policy=Policy(on_error=case.on_error, timeout=0.05 if case.mood == "hangs" else None),
    )
    print(report.documents, report.scored, dict(report.reasons))
