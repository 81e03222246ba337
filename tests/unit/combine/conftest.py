"""Two raters' tables of one small corpus."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pytest
import xxhash

from curate.corpus import Corpus
from curate.stages.score import score
from curate.tables import ScoreStore
from scorers.base import Scored
from tests.conftest import WriteShard, some_text


class Opinion:
    """A number between 0 and 1 that depends on the text and the rater; some texts are refused."""

    name: ClassVar[str] = "opinion"
    column: ClassVar[str] = "p_good"
    unit: ClassVar[str] = "probability"
    higher_is_better: bool | None = True

    def __init__(
        self, rater: int, refuses: str = "nothing", better: bool | None = True, unit: str = ""
    ) -> None:
        self.rater, self.refuses, self.higher_is_better = rater, refuses, better
        self.unit = unit or "probability"  # type: ignore[misc]

    def score(self, texts: Sequence[str]) -> Scored:
        reasons = ["empty" if not t else "refused" if self.refuses in t else None for t in texts]
        value = np.array([hash_(t, self.rater) for t in texts])
        tokens = np.array([len(t) + self.rater for t in texts], np.int32)
        return Scored(
            np.where([r is not None for r in reasons], math.nan, value),
            reasons,
            {"n_tokens": tokens},
        )

    def config(self) -> dict[str, Any]:
        return {"rater": self.rater, "refuses": self.refuses}


def hash_(text: str, rater: int) -> float:
    return round(xxhash.xxh3_64_intdigest(text.encode(), seed=rater) / 2**64, 1)  # with ties


@pytest.fixture
def corpus(write_shard: WriteShard, tmp_path: Path) -> Corpus:
    write_shard("web/a.jsonl", [some_text(i) for i in range(40)])
    write_shard("web/b.parquet", ["", *(some_text(i) for i in range(40, 70)), None])
    write_shard("code/c.jsonl", [some_text(i) for i in range(70, 100)], id=list(range(30)))
    return Corpus(inputs=(str(tmp_path / "corpus"),))


@pytest.fixture
def raters(corpus: Corpus, tmp_path: Path) -> list[Path]:
    """Two raters, the second of which refuses "Document 7…"."""
    score(corpus, Opinion(1), tmp_path / "one")
    score(corpus, Opinion(2, refuses="Document 7"), tmp_path / "two")
    return [tmp_path / "one/opinion", tmp_path / "two/opinion"]


def column(root: Path, name: str = "score") -> np.ndarray:
    tables = [t for _, t in ScoreStore.open(root).tables([name])]
    values = pa.concat_tables(tables)[name]
    return values.to_numpy() if name != "reason" else np.array(values.to_pylist(), object)
