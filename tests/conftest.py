"""Fixtures that many tests share."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.tiny import make_arpa, make_model

os.environ["HF_HUB_OFFLINE"] = "1"  # read when the hub's package is imported: no test waits for it

WriteShard = Callable[..., Path]

SENTENCES = (
    "The quick brown fox jumps over the lazy dog.",
    "def main(argv): return {'a': 1, 'b': [2, 3]}",
    "Über die Straße läuft ein Fuß.",
    "A list is a mutable sequence of objects; a tuple is not.",
    "Rows 1 2 3 4 5 6 7 8 9 10 11 12",
)


def some_text(number: int, words: int = 30) -> str:
    """Different text for each number."""
    pieces = [
        SENTENCES[(number + i * (number % 3 + 1)) % len(SENTENCES)] for i in range(words // 8)
    ]
    return f"Document {number}. " + " ".join(pieces)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Directory of a tiny causal model."""
    return str(make_model(tmp_path_factory.mktemp("tiny")))


@pytest.fixture(scope="session")
def tiny_arpa(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny n-gram model in ARPA format."""
    return str(make_arpa(tmp_path_factory.mktemp("arpa") / "tiny.arpa"))


@pytest.fixture
def write_shard(tmp_path: Path) -> WriteShard:
    """Write texts as a Parquet or JSON-lines shard below a corpus directory."""

    def write(name: str, texts: Sequence[object], **columns: Sequence[object]) -> Path:
        path = tmp_path / "corpus" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = {"text": texts, **columns}
        if name.endswith(".parquet"):
            pq.write_table(pa.table(rows), path)
        else:
            lines = [
                dict(zip(rows, values, strict=True)) for values in zip(*rows.values(), strict=True)
            ]
            path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return path

    return write
