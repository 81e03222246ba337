"""Progress: what is counted, told and logged, and that a log is never taken for anything else."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path
from typing import Any

import fsspec
import pytest

from curate import progress_log
from curate.cli.watching import duration, summary
from curate.corpus import Corpus
from curate.demo import MODEL_PATH
from curate.engines import Local
from curate.errors import ConfigError, CorpusError
from curate.places import place
from curate.progress import Amount, Machine, Note, Progress, Standing, Started, Update, silent
from curate.registry import make_scorer
from curate.shards import LOG
from curate.stages.build import BuildRequest, build
from curate.stages.combine import combine
from curate.stages.embed import embed
from curate.stages.points import score_points
from curate.stages.score import score
from curate.stages.select import select
from curate.tables import ScoreStore
from scorers.density import ReferenceDensity
from scorers.embedders import HashedNGrams
from tests.conftest import WriteShard, some_text
from tests.unit.test_score import Length

FIELDS = (
    "event",
    "at",
    "seconds",
    "shards",
    "n_shards",
    "documents",
    "tokens",
    "nulls",
    "documents_per_second",
    "tokens_per_second",
    "eta_seconds",
)


def logged(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (directory / LOG).read_text().splitlines()]


def standings(told: list[Update]) -> list[Standing]:
    return [one for one in told if isinstance(one, Standing)]


@pytest.fixture
def corpus(write_shard: WriteShard, tmp_path: Path) -> Corpus:
    write_shard("web/a.parquet", ["", *(some_text(i) for i in range(39))])
    write_shard("code/b.jsonl", [some_text(i) for i in range(10)])
    return Corpus(inputs=(str(tmp_path / "corpus"),))


def test_a_shard_shows_life_chunk_by_chunk(corpus: Corpus, tmp_path: Path) -> None:
    told: list[Update] = []
    score(corpus, Length(), tmp_path / "out", chunk_rows=8, progress=told.append)
    assert isinstance(told[0], Started)
    assert (told[0].stage, told[0].name, told[0].n_shards) == ("score", "length", 2)
    within = [one for one in standings(told) if one.shards == 1]
    assert [one.done.documents for one in within] == sorted(one.done.documents for one in within)
    assert len({one.done.documents for one in within}) == 6  # 10, then 18 to 50 in five chunks
    shares = [one.share for one in standings(told)]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert standings(told)[0].eta_seconds is None or standings(told)[0].share > 0
    assert all(one.eta_seconds is not None for one in within)
    last = standings(told)[-1]
    assert (last.event, last.shards) == ("finished", 2)
    tokens = ScoreStore.open(tmp_path / "out/length").tables(["n_tokens"])
    n_tokens = sum(sum(table["n_tokens"].to_pylist()) for _, table in tokens)
    assert last.done == Amount(documents=50, tokens=n_tokens, nulls=1)


def test_the_log_has_the_fields_that_were_promised(corpus: Corpus, tmp_path: Path) -> None:
    scorer = make_scorer("perplexity", model="demo", device="cpu")
    score(corpus, scorer, tmp_path / "out")
    started, *_, finished = logged(tmp_path / "out/perplexity")
    assert started["event"] == "started"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", started["at"])
    assert [*started] == [
        "event",
        "at",
        "stage",
        "name",
        "n_shards",
        "device",
        "n_devices",
        "parameters",
    ]
    assert (started["device"], started["n_devices"]) == ("cpu", 1)
    body = scorer._backend._model.body
    assert started["parameters"] == body.num_parameters()  # its head is the embedding
    assert tuple(finished) == FIELDS
    assert (finished["event"], finished["shards"], finished["documents"]) == ("finished", 2, 50)
    assert finished["nulls"] == 1
    assert finished["tokens"] > 1000
    assert finished["tokens_per_second"] == pytest.approx(
        finished["tokens"] / finished["seconds"], rel=0.05
    )


def test_runs_of_one_directory_add_up(corpus: Corpus, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        score(corpus, Length(dies_after=3), out, chunk_rows=8)
    told: list[Update] = []
    score(corpus, Length(), out, chunk_rows=8, progress=told.append)
    lines = logged(out / "length")
    ends = [line for line in lines if line["event"] in ("stopped", "finished")]
    assert [line["event"] for line in ends] == ["stopped", "finished"]
    assert 0 < ends[0]["documents"] < 50
    assert sum(line["documents"] for line in ends) == 50
    score(corpus, Length(), out, chunk_rows=8)
    again = logged(out / "length")
    assert again[: len(lines)] == lines
    assert (again[-1]["shards"], again[-1]["documents"]) == (2, 0)


def test_what_is_left_is_told_by_what_this_run_did() -> None:
    told: list[Update] = []
    progress = Progress(told.append, None, "score", "x", 4, weights=dict(zip("abcd", [50, 10, 20, 20], strict=True)))  # fmt: skip  # noqa: E501
    with progress:
        progress.finish("a", before=True)
        assert standings(told)[-1].eta_seconds is None
        assert standings(told)[-1].share == pytest.approx(0.5)
        progress._working_since -= 10.0
        progress.finish("b", amount=Amount(5, 7))
        last = standings(told)[-1]
        assert last.eta_seconds == pytest.approx(40.0, rel=0.01)  # 40 of 50 are left, after 10 s
        progress.add(Amount(5, 7), "c", 0.5)
        assert standings(told)[-1].eta_seconds == pytest.approx(15.0, rel=0.01)
        progress.doing("something else")
        assert standings(told)[-1].eta_seconds is None
        progress.finish("b")
        progress.note("a word")
    assert told[-2] == Note("a word")
    last = standings(told)[-1]
    assert (last.shards, last.done, last.event) == (2, Amount(10, 14), "finished")
    assert last.eta_seconds is None


def test_it_travels_as_one_that_tells_nobody(tmp_path: Path) -> None:
    progress = Progress(silent, tmp_path, "score", "x", 1)
    assert progress.is_heard
    there = pickle.loads(pickle.dumps(progress))
    assert not there.is_heard
    there.add(Amount(1))
    assert not (tmp_path / LOG).exists()


def test_the_log_is_written_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(progress_log.time, "monotonic", lambda: now)
    log = progress_log.Log(tmp_path)
    log.write("started", {})
    for _ in range(50):
        now += 1.0
        log.write("progress", {})
    log.write("finished", {})
    assert [line["event"] for line in logged(tmp_path)] == [
        "started",
        *["progress"] * 5,
        "finished",
    ]


def test_half_a_line_of_a_killed_run_spoils_no_other(tmp_path: Path) -> None:
    (tmp_path / LOG).write_text('{"event": "started"}\n{"event": "prog')
    progress_log.Log(tmp_path).write("started", {"stage": "score"})
    half, whole = (tmp_path / LOG).read_text().splitlines()[1:]
    assert half == '{"event": "prog'
    assert json.loads(whole)["stage"] == "score"


def test_the_log_of_a_store_is_put_anew_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    fs = fsspec.filesystem("memory")
    puts: list[bytes] = []
    monkeypatch.setattr(type(fs), "pipe_file", lambda *asked, **_: puts.append(asked[2]))
    now = 100.0
    monkeypatch.setattr(progress_log.time, "monotonic", lambda: now)
    before = b'{"event": "started"}\n{"event": "stopped"}\n'
    monkeypatch.setattr(type(fs), "cat_file", lambda *_, **__: before)
    log = progress_log.Log(place("memory://out"))
    log.write("started", {})
    for _ in range(150):
        now += 1.0
        log.write("progress", {})
    log.write("finished", {})
    assert [put.count(b"\n") for put in puts] == [3, 4, 5, 6]
    assert all(put.startswith(before) for put in puts)


def test_a_log_that_cannot_be_written_stops_nothing(corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "out/length" / LOG).mkdir(parents=True)
    assert score(corpus, Length(), tmp_path / "out").documents == 50


def test_a_log_is_no_shard_and_a_shard_of_that_name_is_one(
    corpus: Corpus, tmp_path: Path, write_shard: WriteShard
) -> None:
    write_shard(f"web/{LOG}", ["a document"])
    with Progress(silent, tmp_path / "corpus/code", "mix run", "x", 1):
        pass
    assert (tmp_path / "corpus/code" / LOG).exists()
    names = [shard.name for shard in Corpus(inputs=corpus.inputs).shards]
    assert names == ["code/b.jsonl", "web/a.parquet", f"web/{LOG}"]
    with pytest.raises(CorpusError, match="none of its 1 files is a shard"):
        _ = Corpus(inputs=(str(tmp_path / "corpus/code" / LOG),)).shards


def test_every_stage_logs_beside_its_output(corpus: Corpus, tmp_path: Path) -> None:
    scorer = make_scorer("token-prior", tokenizer=str(MODEL_PATH))
    score(corpus, scorer, tmp_path)
    embed(corpus, HashedNGrams(n_features=1024, dimension=16), tmp_path)
    score_points(tmp_path / "embeddings", ReferenceDensity(), tmp_path)
    for name in ("one", "two"):
        score(corpus, Length(), tmp_path, name=name)
    combine([tmp_path / "one", tmp_path / "two"], tmp_path, how="mean")
    select(tmp_path / "token-prior", tmp_path / "sel", method="random", budget="80%")
    request = BuildRequest(mixture={"web": 0.5, "code": 0.5}, tokens=900, shards=2)
    made = build(corpus, tmp_path / "sel", tmp_path / "data", request, engine=Local(2))
    documents = {"token-prior": 50, "embeddings": 50, "density": 50, "ensemble": 50, "sel": 50}
    for name, n in {**documents, "data": made["documents"]}.items():
        first, *_, last = logged(tmp_path / name)
        assert first["name"] == name
        assert (last["event"], last["shards"], last["documents"]) == ("finished", 2, n), name
    assert sorted(path.name for path in (tmp_path / "data/data").iterdir()) == [
        "train-00000-of-00002.parquet",
        "train-00001-of-00002.parquet",
    ]
    before = (tmp_path / "sel/_selection.json").read_bytes()
    with pytest.raises(ConfigError, match="another configuration"):
        select(tmp_path / "token-prior", tmp_path / "sel", method="random", budget="70%")
    assert (tmp_path / "sel/_selection.json").read_bytes() == before


def test_what_a_stage_did_in_words() -> None:
    started = Started(stage="score", name="ask-llm", n_shards=3, machine=Machine())
    done = Standing(
        event="finished",
        started=started,
        seconds=65.0,
        shards=3,
        done=Amount(1300, 650_000, 4),
        eta_seconds=None,
        share=1.0,
    )
    assert summary(done) == (
        "score ask-llm: done in 1:05, 3/3 shards, 1,300 documents (20/s), 650,000 tokens "
        "(10,000/s), 4 without a result"
    )
    assert [duration(seconds) for seconds in (4.23, 59.99, 3600, 90_061)] == [
        "4.2 s",
        "60.0 s",
        "1:00:00",
        "25:01:01",
    ]
