"""A real Ray on this machine: the bytes that it writes are those of one process."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.corpus import Corpus
from curate.demo import MODEL_PATH
from curate.engines import Local
from curate.engines.ray import Ray
from curate.errors import BackendError, ConfigError, ShardError
from curate.registry import Recipe
from curate.stages.build import BuildRequest, build
from curate.stages.measuring import Policy
from curate.stages.proxies import Swarm, run
from curate.stages.score import score
from curate.stages.select import select
from curate.stages.sources import pieces
from scorers.base import Scored
from tests.conftest import some_text
from tests.unit.test_progress import logged
from tests.unit.test_score import contents

pytestmark = pytest.mark.filterwarnings("ignore")
"""Ray leaves sockets and processes to its own clean-up; what it warns of is not ours."""


@pytest.fixture(scope="module")
def engine() -> Iterator[Ray]:
    import ray

    yield Ray(most_workers=2, piece_bytes=20_000)
    ray.shutdown()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """One shard of many row groups beside small ones, an empty one, and one that is broken."""
    root = tmp_path_factory.mktemp("corpus")
    for domain in ("web", "code"):
        (root / domain).mkdir()
    large = pa.table({"text": [some_text(i, words=40) for i in range(700)]})
    pq.write_table(large, root / "web" / "large.parquet", row_group_size=90, compression="none")
    pq.write_table(large.slice(0, 30), root / "code" / "small.parquet")
    pq.write_table(large.slice(0, 0), root / "code" / "nothing.parquet")
    (root / "web" / "broken.parquet").write_bytes(b"PAR1 and no more")
    return Corpus(inputs=(str(root),))


def perplexity() -> Recipe:
    return Recipe("perplexity", {"model": str(MODEL_PATH), "window": 64})


def test_score_and_select_write_the_same_bytes(corpus: Corpus, engine: Ray, tmp_path: Path) -> None:
    large = next(shard for shard in corpus.shards if shard.name == "web/large.parquet")
    assert len(pieces(large, 64, engine.piece_bytes)) > 3
    for name, where in (("local", None), ("ray", engine)):
        report = score(corpus, perplexity(), tmp_path / name, chunk_rows=64, engine=where)
        assert (report.documents, list(report.failed)) == (730, ["web/broken.parquet"])
        scores = tmp_path / name / "perplexity"
        request: dict[str, Any] = {"method": "random", "budget": "40%tok", "by_domain": True}
        select(scores, tmp_path / name / "sel", **request, engine=where)
        dataset = BuildRequest(mixture={"web": 0.7, "code": 0.3}, tokens=9_000)
        build(corpus, tmp_path / name / "sel", tmp_path / name / "data", dataset, engine=where)
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")
    for name, documents in (("perplexity", 730), ("sel", 730), ("data", None)):
        there, here = (logged(tmp_path / engine_ / name)[-1] for engine_ in ("ray", "local"))
        for counted in ("event", "shards", "n_shards", "documents", "tokens", "nulls"):
            assert there[counted] == here[counted], (name, counted)
        assert documents in (None, there["documents"])
    started = logged(tmp_path / "ray/perplexity")[0]
    assert (started["device"], started["n_devices"]) == ("cpu", 2)


def test_what_one_engine_began_the_other_ends(corpus: Corpus, engine: Ray, tmp_path: Path) -> None:
    score(corpus, perplexity(), tmp_path / "whole", chunk_rows=64)
    mended = corpus.without(["web/broken.parquet"])
    with pytest.raises(BackendError, match=r"web/large.parquet, rows 320 to 383: no more"):
        score(mended, Stops(at=320), tmp_path / "out", chunk_rows=64, engine=engine, policy=FAIL)
    (parts,) = (tmp_path / "out/stops/.parts").glob("web/large.parquet")
    assert any(parts.iterdir())
    score(mended, Stops(at=10**9), tmp_path / "out", chunk_rows=64)
    score(mended, Stops(at=10**9), tmp_path / "other", chunk_rows=64, engine=engine)
    assert contents(tmp_path / "out") == contents(tmp_path / "other")


FAIL = Policy(on_error="fail")


class Stops:
    """Scores texts by their length until it sees the one of a row."""

    name = "stops"
    column = "n_chars"
    unit = "characters"
    higher_is_better = True

    def __init__(self, at: int) -> None:
        self.text = some_text(at, words=40)

    def score(self, texts: Sequence[str]) -> Any:
        from scorers.base import Scored

        if self.text in texts:
            raise RuntimeError("no more")
        return Scored(np.array([float(len(t)) for t in texts]), [None] * len(texts))

    def config(self) -> dict[str, Any]:
        return {}


def test_errors_come_through(corpus: Corpus, engine: Ray, tmp_path: Path) -> None:
    with pytest.raises(ShardError, match=r"broken\.parquet"):
        score(corpus, perplexity(), tmp_path, engine=engine, policy=FAIL)
    with pytest.raises(ConfigError, match="no room for a worker of 1 CPUs and 3 GPUs"):
        list(Ray(gpus=3).stream(lambda: iter, [1]))


def _square(number: int) -> list[int]:
    return [number * number]


def _joined(found: list[list[int]]) -> list[int]:
    return [number for one in found for number in one]


def test_results_are_merged_as_a_tree(engine: Ray) -> None:
    found = list(engine.merged(_square, range(100), _joined))
    assert len(found) < 50
    assert sorted(_joined(found)) == [n * n for n in range(100)]
    assert list(engine.map(_square, [])) == []
    assert engine.call(_seven) == 7


@dataclass(frozen=True)
class Stuck:
    """A scorer that takes its time over one text, where it can be interrupted or cannot."""

    name: ClassVar[str] = "stuck"
    column: ClassVar[str] = "n_chars"
    unit: ClassVar[str] = "characters"
    higher_is_better: ClassVar[bool | None] = True
    deaf: bool = False

    def score(self, texts: Sequence[str]) -> Scored:
        until = time.monotonic() + 600 * any(text.startswith("Document 3.") for text in texts)
        while time.monotonic() < until:
            try:
                time.sleep(0.01)
            except BaseException:
                if not self.deaf:
                    raise
        return Scored(np.array([float(len(t)) for t in texts]), [None] * len(texts), {})

    def config(self) -> dict[str, Any]:
        return {}


def few(tmp_path: Path) -> Corpus:
    pq.write_table(pa.table({"text": [some_text(i) for i in range(8)]}), tmp_path / "a.parquet")
    return Corpus(inputs=(str(tmp_path / "a.parquet"),))


def test_a_text_that_takes_too_long(engine: Ray, tmp_path: Path) -> None:
    policy = Policy(timeout=0.5)
    report = score(few(tmp_path), Stuck(), tmp_path / "out", engine=engine, policy=policy)
    assert report.documents == 8
    assert dict(report.reasons) == {"backend_error: took longer than 0.5 s": 1}


def test_a_scorer_that_kills_each_worker_ends_the_run(engine: Ray, tmp_path: Path) -> None:
    policy = Policy(timeout=0.3)
    with pytest.raises(BackendError, match=r"died at one piece of work 4 times"):
        score(few(tmp_path), Stuck(deaf=True), tmp_path / "out", engine=engine, policy=policy)


def _seven() -> int:
    return 7


def test_a_worker_is_made_once(engine: Ray) -> None:
    def make() -> Any:
        import os

        def work(items: Iterable[int]) -> Iterator[tuple[int, int]]:
            return ((item, os.getpid()) for item in items)

        return work

    found = list(engine.stream(make, range(6)))
    assert sorted(item for item, _ in found) == list(range(6))
    assert len({process for _, process in found}) <= 2


def test_proxies_are_trained_to_the_same_bytes(engine: Ray, tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    for domain in ("web", "code"):
        (root / domain).mkdir(parents=True)
        texts = [some_text(i, words=60) for i in range(40)]
        pq.write_table(pa.table({"text": texts}), root / domain / "a.parquet")
    corpus = Corpus(inputs=(str(root),))
    prior = Recipe("token-prior", {"tokenizer": str(MODEL_PATH)})
    score(corpus, prior, tmp_path / "scores", engine=engine)
    select(tmp_path / "scores/token-prior", tmp_path / "sel", method="random", budget="80%")
    design = tmp_path / "design.csv"
    shares = "".join(f"{i},{i / 5},{1 - i / 5}\n" for i in range(6))
    design.write_text(f"run,share/code,share/web\n{shares}")
    swarm = Swarm.of(hidden=16, heads=2, length=16, batch=2, steps=12, held_out=0.3, stack=2)
    where = (tmp_path / "sel", corpus)
    run(design, *where, tmp_path / "local", swarm=swarm, engine=Local(1))
    run(design, *where, tmp_path / "ray", swarm=swarm, engine=engine)
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")


def _dies_once(marker: Path, number: int) -> int:
    if number == 3 and not marker.exists():
        marker.write_text("dead")
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.parametrize("holds_a_model", [False, True])
def test_a_worker_that_is_killed_is_replaced(
    engine: Ray, tmp_path: Path, holds_a_model: bool
) -> None:
    work = partial(_dies_once, tmp_path / "marker")
    if holds_a_model:
        found = engine.stream(lambda: partial(map, work), range(6))
    else:
        found = engine.map(work, range(6))
    assert sorted(found) == list(range(6))
    assert (tmp_path / "marker").exists()
