"""A build that is interrupted, cut up or done elsewhere: the same bytes. Its shuffle and parts."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import curate.files
from curate.corpus import Corpus
from curate.engines import Local
from curate.engines.base import Item, Result
from curate.files import whole
from curate.seeds import lots
from curate.stages import allocation, shuffled, spool
from curate.stages.allocation import allocate
from curate.stages.build import BuildRequest, build
from curate.stages.score import score
from curate.stages.select import select
from curate.stages.selection import Selection
from tests.built import files, make, rows, selected
from tests.conftest import WriteShard, some_text
from tests.unit.test_score import Length


@pytest.fixture
def corpus(write_shard: WriteShard, tmp_path: Path) -> Corpus:
    return selected(write_shard, tmp_path)


PLAIN = pa.schema([("key", pa.uint64()), ("domain", pa.string()), ("n_tokens", pa.int64())])


class Killed(BaseException):
    """What no one catches, as SIGKILL."""


def test_a_build_killed_before_any_file_goes_on(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each run dies one file later than the last; no file that was whole is written again."""
    make(corpus, tmp_path)
    out, written = tmp_path / "died", Counter[str]()

    @contextmanager
    def dies(path: Path) -> Iterator[Path]:
        with whole(path) as temporary:
            yield temporary
            if path.suffix != ".arrow" and not written[path.name]:
                leftover.append(temporary.read_bytes())
                written[path.name] += 1
                path.with_name(f".{path.name}.tmp").write_bytes(b"half")
                raise Killed
        written[path.name] += 1

    leftover: list[bytes] = []
    for module in (spool, shuffled, curate.files):
        monkeypatch.setattr(module, "whole", dies)
    for _ in range(50):
        try:
            make(corpus, tmp_path, "died")
            break
        except Killed:
            assert not (out / "manifest.json").exists()
    assert files(out) == files(tmp_path / "out")
    assert len(leftover) == 3 + 1 + 2  # data; the index of the spool; claim and manifest
    assert set(written.values()) == {2}  # of which one died, and the arrow before and after that


class Elsewhere(Local):
    """What is done travels as it does between processes, and comes back in another order."""

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """See `curate.engines.Engine.map`."""
        for item in reversed(list(items)):
            there, given = pickle.loads(pickle.dumps((function, item)))
            yield pickle.loads(pickle.dumps(there(given)))


@pytest.mark.parametrize("form", ["parquet", "jsonl.zst"])
def test_the_bytes_depend_neither_on_memory_nor_on_workers(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """Runs of a few documents, a file of the spool for each shard, sorted a bucket at a time."""
    make(corpus, tmp_path, format=form)
    before = {name: b for name, b in files(tmp_path / "out").items() if name != "manifest.json"}
    monkeypatch.setattr(spool, "SLICE", 50)
    monkeypatch.setattr(spool, "_FILE", 1)
    make(corpus, tmp_path, "small", format=form, engine=Elsewhere(3))
    after = {name: b for name, b in files(tmp_path / "small").items() if name != "manifest.json"}
    assert after == before
    monkeypatch.setattr(shuffled, "_LEAST", 4000)
    monkeypatch.setattr(shuffled, "SLICE", 1)
    make(corpus, tmp_path, "smaller", format=form)
    if form == "parquet":
        assert rows(tmp_path / "smaller").equals(rows(tmp_path / "out"))
        groups = [pq.ParquetFile(p).num_row_groups for p in (tmp_path / "smaller/data").iterdir()]
        assert min(groups) > 1
    else:
        assert {n: b for n, b in files(tmp_path / "smaller").items() if n in before} == before


def test_the_order_is_that_of_the_permanent_random_numbers(corpus: Corpus, tmp_path: Path) -> None:
    make(corpus, tmp_path)
    table = rows(tmp_path / "out")
    key, epoch = table["key"].to_numpy(), table["epoch"].to_numpy()
    place = np.array(
        [lots(0, f"shuffle of epoch {e}", key[i : i + 1])[0] for i, e in enumerate(epoch)]
    )
    assert len(place) > 100
    assert (np.diff(place) > 0).all()


@pytest.mark.parametrize("room", [50, 5000])
def test_the_part_of_an_epoch_is_the_nearest_there_is(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    """As a sort of all documents finds it."""
    monkeypatch.setattr(allocation, "_ROOM", room)
    tables = [pq.read_table(p, partitioning=None) for p in (tmp_path / "sel").rglob("*.parquet")]
    kept = pa.concat_tables([t.select(PLAIN.names).cast(PLAIN) for t in tables])
    shards = [shard.name for shard in corpus.shards]
    mixture = {"web": 0.5, "code": 0.2, "books": 0.3}
    for tokens in (1, 30, 500, 2345, 9999):
        made = allocate(Selection(tmp_path / "sel"), shards, mixture, tokens, 3, Local())
        for name, epochs, last in zip(made.domains, made.epochs, made.last_lot, strict=True):
            mine = kept.filter(pc.equal(kept["domain"], name))
            lot = lots(3, "part of an epoch", mine["key"].to_numpy())
            order = np.argsort(lot)
            spent = np.append(0, np.cumsum(mine["n_tokens"].to_numpy()[order]))
            n = np.argmin(np.abs(spent - epochs % 1 * spent[-1]))
            assert last == (lot[order[n - 1]] if n else 0.0)


def test_documents_of_one_id_come_together(tmp_path: Path, write_shard: WriteShard) -> None:
    """They have one lot and one place: the part takes all or none, whichever is nearer."""
    for part in range(3):
        write_shard(
            f"web/{part}.jsonl", [f"{part} one two"] * 40, id=[str(i % 7) for i in range(40)]
        )
    corpus = Corpus(inputs=(str(tmp_path / "corpus"),))
    score(corpus, Length(), tmp_path / "scores")
    select(tmp_path / "scores/length", tmp_path / "sel", method="random", budget="100%")
    manifest = make(corpus, tmp_path, mixture={"web": 1.0}, tokens=180)
    table = rows(tmp_path / "out")
    assert abs(manifest["domains"]["web"]["tokens"] - 180) <= 18 * 3 / 2
    assert set(Counter(table["key"].to_pylist()).values()) <= {15, 18}
    where = list(zip(table["shard"].to_pylist(), table["row"].to_pylist(), strict=True))
    for key in set(table["key"].to_pylist()):
        mine = [w for w, k in zip(where, table["key"].to_pylist(), strict=True) if k == key]
        assert mine == sorted(mine)


def test_what_another_request_left_is_removed(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(corpus, tmp_path)
    (tmp_path / "died/data").mkdir(parents=True)
    (tmp_path / "died/.spool/00000").mkdir(parents=True)
    (tmp_path / "died/data/train-00000-of-00009.parquet").write_bytes(b"half")
    with monkeypatch.context() as patch:
        patch.setattr(shuffled.Shuffled, "__call__", None)  # so that this one is not finished
        with pytest.raises(TypeError):
            make(corpus, tmp_path, "died", tokens=5000)
    assert (tmp_path / "died/.spool").exists()
    make(corpus, tmp_path, "died")
    assert files(tmp_path / "died") == files(tmp_path / "out")


def test_a_shard_that_grows_is_cut_where_its_row_groups_are(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [some_text(i) for i in range(5000)]
    path = tmp_path / "large/web/0.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(pa.table({"text": texts}), path, row_group_size=700)
    corpus = Corpus(inputs=(str(tmp_path / "large"),))
    score(corpus, Length(), tmp_path / "scores2")
    select(tmp_path / "scores2/length", tmp_path / "sel2", method="random", budget="50%")
    request = BuildRequest(mixture={"web": 1.0}, tokens=100_000, shards=2)
    given = (corpus, tmp_path / "sel2")
    build(*given, tmp_path / "one", request, scores=[tmp_path / "scores2/length"])
    monkeypatch.setattr(spool, "_FILE", path.stat().st_size // 3)
    assert len(spool.jobs([(corpus.shards[0], 10**9)])) == 4
    build(*given, tmp_path / "cut", request, scores=[tmp_path / "scores2/length"])
    assert files(tmp_path / "cut") == files(tmp_path / "one")
