"""`curate import` as people type it: what is printed, exit codes, an object store."""

from __future__ import annotations

import json
from pathlib import Path

import fsspec
import pyarrow.parquet as pq
import pytest

from tests.conftest import WriteShard, some_text
from tests.integration.test_cli import exit_code, said
from tests.integration.test_object_store import faults, server
from tests.object_store import BUCKET

__all__ = ["faults", "server"]


def test_a_column(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, write_shard: WriteShard
) -> None:
    texts = [some_text(i) for i in range(4)]
    write_shard("web/a.jsonl", texts, quality=[0.5, None, "x", 0.25])
    out = str(tmp_path / "out")
    words = ["import", "column", str(tmp_path / "corpus"), "--out", out]
    assert exit_code(words) == 2
    assert "Missing option '--score-column'" in said(capsys)
    words += ["--score-column", "quality"]
    assert exit_code(words) == 2
    assert "Which end of the scores is better? Give --higher-is-better" in said(capsys)
    assert exit_code([*words, "--lower-is-better", "--unit", "points"]) == 0
    printed = capsys.readouterr().out
    assert "quality: 4 documents in = 2 with a score + 2 without a score" in printed
    assert "1 not_a_number (first: web/a.jsonl row 2)" in printed
    assert exit_code(["inspect", f"{out}/quality"]) == 0
    assert "quality in points, lower is better" in capsys.readouterr().out
    assert exit_code([*words, "--no-direction", "--name", "a/b"]) == 2
    assert "must be one directory's" in said(capsys)
    assert exit_code([*words[:-1], "text", "--no-direction", "--name", "t"]) == 0
    assert "Warning: not one document has a score. Is text what" in capsys.readouterr().err
    write_shard("web/b.parquet", ["x"], quality=["high"])
    assert exit_code([*words, "--lower-is-better", "--unit", "points"]) == 3
    printed = capsys.readouterr()
    assert "4 documents in" in printed.out
    assert "b.parquet: column 'quality' holds string, not numbers" in printed.err.replace("\n", " ")
    assert exit_code(["import", "dolmar"]) == 2
    assert "Did you mean 'dolma'?" in said(capsys)


def write_dolma(root: str, n: int) -> None:
    fs, path = fsspec.core.url_to_fs(root)
    for name in ("a", "b"):
        ids = [f"{name}{i}" for i in range(n)]
        rows = {
            "documents": [{"id": one, "text": some_text(i)} for i, one in enumerate(ids)],
            "attributes/tags": [
                {"id": one, "attributes": {"q": [[0, len(some_text(i)), i / n]]}}
                for i, one in enumerate(ids)
                if i % 7
            ],
        }
        for kind, lines in rows.items():
            fs.makedirs(f"{path}/{kind}/web", exist_ok=True)
            with fs.open(f"{path}/{kind}/web/{name}.jsonl", "w") as file:
                file.write("".join(json.dumps(line) + "\n" for line in lines))


@pytest.mark.usefixtures("faults")
def test_dolma_in_an_object_store_and_here(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    here, there = str(tmp_path / "data"), f"s3://{BUCKET}"
    for root in (here, there):
        write_dolma(root, 30)
        words = ["import", "dolma", f"{root}/documents", "--attribute", "q", "--higher-is-better"]
        words += ["--attributes", f"{root}/attributes/tags", "--out", f"{root}/scores"]
        assert exit_code(words) == 0
        printed = capsys.readouterr().out
        assert "q: 60 documents in = 50 with a score + 10 without a score" in printed
        assert "10 no_line" in printed
        assert (
            exit_code(
                [
                    "select",
                    "top-k",
                    "--scores",
                    f"{root}/scores/q",
                    "--budget",
                    "20%",
                    "--out",
                    f"{root}/sel",
                ]
            )
            == 0
        )
        capsys.readouterr()
    fsspec.filesystem("s3").get(f"{BUCKET}/sel", str(tmp_path / "sel"), recursive=True)
    for name in ("a", "b"):
        one, other = (
            pq.read_table(root / f"sel/web/{name}.jsonl.parquet", partitioning=None)
            for root in (tmp_path, tmp_path / "data")
        )
        assert len(one) == 5
        assert one.to_pydict() == other.to_pydict()


def test_dolma_asks_for_what_is_missing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    write_dolma(str(tmp_path), 5)
    words = ["import", "dolma", str(tmp_path / "documents"), "--higher-is-better"]
    words += ["--out", str(tmp_path / "scores"), "--attribute", "q"]
    assert exit_code([*words, "--attributes", str(tmp_path / "attributes")]) == 2
    assert f"Did you mean {tmp_path}/attributes/tags?" in said(capsys)
    words += ["--attributes", str(tmp_path / "attributes/tags")]
    assert exit_code([*words[:-3], "p", *words[-2:]]) == 2
    assert "no attribute 'p'. There is q." in said(capsys)
