"""The steps of datatrove, in a real `LocalPipelineExecutor`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from curate.corpus import Corpus
from curate.errors import ConfigError
from curate.stages.importing import Meaning, import_column
from tests.integration.test_adapters import REASONS, RECIPE, TEXTS, check, expected

__all__ = ["expected"]


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two files of JSON lines; datatrove's reader leaves out documents without any text."""
    root = tmp_path_factory.mktemp("documents")
    for part in range(2):
        rows = [{"id": f"{part}-{i}", "text": t} for i, t in enumerate(TEXTS) if t]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (root / f"{part}.jsonl").write_text(lines)
    return root


def executed(documents: Path, room: Path, step: Any, workers: int = 1) -> tuple[Any, list[Any]]:
    """Statistics of the step by name, and the documents that come out of it."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import JsonlWriter

    out = JsonlWriter(str(room / "out"), compression=None)
    pipeline = [JsonlReader(str(documents)), step, out]
    stats = LocalPipelineExecutor(
        pipeline=pipeline, tasks=2, workers=workers, logging_dir=str(room / "logs")
    ).run()
    json.loads((room / "logs/executor.json").read_text())
    totals = {name: stat.total for name, stat in stats.stats[1].stats.items()}
    return totals, written(room / "out")


def written(folder: Path) -> list[Any]:
    lines = [line for path in sorted(folder.glob("*.jsonl")) for line in path.open()]
    return [json.loads(line) for line in lines]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("workers", [1, 2])
def test_datatrove_annotates(
    documents: Path, tmp_path: Path, expected: list[float | None], workers: int
) -> None:
    from curate.adapters.datatrove import ScoreAnnotator

    step = ScoreAnnotator(RECIPE, name="ppl", batch_size=3)
    totals, found = executed(documents, tmp_path, step, workers)
    assert {k: totals[k] for k in ("total", "scored", "without_score_empty")} == {
        "total": 14,
        "scored": 12,
        "without_score_empty": 2,
    }
    assert [one["id"] for one in found] == [f"{p}-{i}" for p in "01" for i in (0, 1, 2, 3, 4, 7, 8)]
    wanted = [expected[i] for i in (0, 1, 2, 3, 4, 7, 8)]
    check([one["metadata"]["ppl"] for one in found], wanted * 2)
    assert found[6]["metadata"]["ppl_reason"] == "empty"
    assert found[0]["metadata"]["ppl_reason"] is None
    assert found[0]["metadata"]["ppl_n_tokens"] > 5


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("without_score", ["drop", "keep"])
def test_datatrove_filters(
    documents: Path, tmp_path: Path, expected: list[float | None], without_score: str
) -> None:
    from datatrove.pipeline.writers import JsonlWriter

    from curate.adapters.datatrove import ScoreFilter

    scores = sorted(score for score in expected if score is not None)
    least, most = scores[1] - 1e-4, scores[-2] + 1e-4
    dropped = JsonlWriter(str(tmp_path / "dropped"), compression=None)
    step = ScoreFilter(
        RECIPE,
        at_least=least,
        at_most=most,
        without_score=without_score,
        batch_size=3,
        exclusion_writer=dropped,
    )
    totals, found = executed(documents, tmp_path, step)
    is_dropped = without_score == "drop"
    assert (totals["total"], totals["forwarded"]) == (14, 8 if is_dropped else 10)
    assert totals["dropped"] == 14 - totals["forwarded"]
    reasons = {k: n for k, n in totals.items() if k.startswith("dropped_")}
    missing = {"dropped_perplexity_missing_empty": 2} if is_dropped else {}
    assert reasons == {"dropped_perplexity_too_low": 2, "dropped_perplexity_too_high": 2, **missing}
    kept = [one["metadata"]["perplexity"] for one in found]
    assert all(score is None or least <= score <= most for score in kept)
    assert sum(score is None for score in kept) == (0 if is_dropped else 2)
    excluded = written(tmp_path / "dropped")
    assert len(excluded) + len(found) == 14
    told = [f"dropped_{one['metadata']['filter_reason']}" for one in excluded]
    assert {name: told.count(name) for name in told} == reasons


def test_what_datatrove_wrote_is_imported(tmp_path: Path, expected: list[float | None]) -> None:
    from datatrove.data import Document
    from datatrove.pipeline.writers import JsonlWriter

    from curate.adapters.datatrove import ScoreAnnotator

    documents = [Document(text=text, id=str(i)) for i, text in enumerate(TEXTS)]
    annotated = [*ScoreAnnotator(RECIPE).run(documents)]
    assert [one.metadata["perplexity_reason"] for one in annotated] == REASONS
    with JsonlWriter(str(tmp_path / "in"), compression=None, expand_metadata=True) as writer:
        for document in annotated:
            document.text = document.text or ""  # its writers want a string
            writer.write(document)
    meaning = Meaning(name="perplexity", higher_is_better=False)
    corpus = Corpus(inputs=(str(tmp_path / "in"),))
    import_column(corpus, "perplexity", tmp_path / "scores", meaning)
    (path,) = (tmp_path / "scores/perplexity").glob("*.parquet")
    check(pq.read_table(path)["score"].to_pylist(), expected)


def test_what_datatrove_steps_refuse() -> None:
    from datatrove.data import Document

    from curate.adapters.datatrove import ScoreAnnotator, ScoreFilter

    with pytest.raises(ConfigError, match="give at_least or at_most"):
        ScoreFilter(RECIPE)
    with pytest.raises(ConfigError, match="at least 5 and at most 4"):
        ScoreFilter(RECIPE, at_least=5, at_most=4)
    with pytest.raises(ConfigError, match=r"must be drop or keep\. Got 'kep'"):
        ScoreFilter(RECIPE, at_least=5, without_score="kep")
    with pytest.raises(ConfigError, match=r"'batch_size' of ScoreAnnotator .* Got 0"):
        ScoreAnnotator(RECIPE, batch_size=0)
    taken = Document(text="abc", id="d1", metadata={"perplexity": 1.0})
    with pytest.raises(ConfigError, match=r"document d1 have 'perplexity' already"):
        ScoreFilter(RECIPE, at_most=9.0).filter(taken)
    assert ScoreFilter(RECIPE, at_most=99.0).filter(Document(text="abc", id="d2")) is True


def test_a_missing_package_is_named() -> None:
    code = "import sys; sys.modules['datatrove'] = None; import curate.adapters.datatrove"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (
        "ConfigError: The steps of datatrove need that package: pip install 'datat" in done.stderr
    )
