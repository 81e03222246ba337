"""Object stores: a real S3 server, with the faults that real ones have."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate import locks, remote
from curate.cli import main
from curate.corpus import Corpus
from curate.credentials import redacted
from curate.demo import MODEL_PATH
from curate.errors import ConfigError
from curate.files import only_writer, write_json
from curate.places import parquet, place, read_parquet
from curate.registry import Recipe
from curate.stages.build import BuildRequest, build
from curate.stages.score import score
from curate.stages.select import select
from tests.conftest import some_text
from tests.object_store import BUCKET, Faults, object_store
from tests.unit.test_progress import logged
from tests.unit.test_score import contents

Store = tuple[str, Faults]


@pytest.fixture(scope="module")
def server() -> Iterator[Store]:
    with object_store() as store:
        yield store


@pytest.fixture
def faults(server: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Faults]:
    """An empty bucket, and what happens on the way to it."""
    endpoint, door = server
    for name, value in {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "not-to-be-told",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "2",  # ours come on top
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(remote, "_FIRST_PAUSE", 0.01)
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    door.plan, door.latency = (lambda *_: None), 0.0
    fs = fsspec.filesystem("s3")
    if fs.exists(BUCKET):
        fs.rm(BUCKET, recursive=True)
    fs.mkdir(BUCKET)
    yield door
    door.plan, door.latency = (lambda *_: None), 0.0
    fsspec.get_filesystem_class("s3").clear_instance_cache()


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    root = tmp_path / "in"
    for domain in ("web", "code"):
        (root / domain).mkdir(parents=True)
        texts = [some_text(i, words=60) for i in range(150)]
        pq.write_table(
            pa.table({"text": texts, "id": [f"{domain}{i}" for i in range(150)]}),
            root / domain / "a.parquet",
            row_group_size=50,
        )
    (root / "web" / "b.jsonl").write_text('{"text": "one line"}\n{"text": "two"}\nno json\n')
    return root


def the_job(inputs: str, out: str | Path) -> dict[str, Any]:
    """Score, select and build; the manifest."""
    corpus = Corpus(inputs=(inputs,))
    recipe = Recipe("token-prior", {"tokenizer": str(MODEL_PATH)})
    report = score(corpus, recipe, f"{out}/scores", chunk_rows=64)
    assert (report.documents, report.scored, dict(report.failed)) == (303, 302, {})
    scores = f"{out}/scores/token-prior"
    select(scores, f"{out}/sel", method="random", budget="70%tok", by_domain=True)
    request = BuildRequest(mixture={"web": 0.5, "code": 0.5}, tokens=4_000, shards=2)
    return build(corpus, f"{out}/sel", f"{out}/data", request, scores=[scores])


def fetched(url: str, to: Path) -> dict[str, str]:
    fs, path = fsspec.core.url_to_fs(url)
    fs.get(path, str(to), recursive=True)
    return contents(to)


def spoil_now_and_then(_method: str, _path: str, number: int) -> str | None:
    kinds = ("500", "503", "truncated")
    return kinds[number // 11 % 3] if number % 11 == 3 else None


@pytest.mark.parametrize("spoiled", [False, True])
def test_the_same_bytes_as_on_a_disk(
    faults: Faults, shards: Path, tmp_path: Path, spoiled: bool
) -> None:
    fs = fsspec.filesystem("s3")
    fs.put(str(shards), f"{BUCKET}/in", recursive=True)
    if spoiled:
        faults.plan, faults.latency = spoil_now_and_then, 0.005
    faults.n_faults = 0
    there = the_job(f"s3://{BUCKET}/in", f"s3://{BUCKET}/out")
    assert (faults.n_faults > 12) == spoiled
    faults.plan = lambda *_: None
    here = the_job(str(shards), tmp_path / "here")
    assert there["files"] == here["files"]
    assert there["domains"] == here["domains"]
    found = fetched(f"s3://{BUCKET}/out", tmp_path / "there")
    for name in ("scores/token-prior", "sel", "data"):
        theirs, mine = logged(tmp_path / "there" / name), logged(tmp_path / "here" / name)
        assert [line["event"] for line in theirs] == ["started", "finished"]
        for counted in ("shards", "documents", "tokens", "nulls"):
            assert theirs[-1][counted] == mine[-1][counted]
    assert {*found} == {*contents(tmp_path / "here")} - {
        f"{room}/.lock" for room in ("scores/token-prior", "sel", "data")
    }
    for name in found:
        if name.endswith(".parquet") and name.startswith("scores"):
            mine = pq.read_table(tmp_path / "here" / name, partitioning=None)
            assert pq.read_table(tmp_path / "there" / name, partitioning=None).equals(mine)


def test_a_run_goes_on_where_the_credentials_expired(
    faults: Faults, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "LEASE", 0.6)  # what cannot be released is waited for
    fs = fsspec.filesystem("s3")
    fs.put(str(shards), f"{BUCKET}/in", recursive=True)
    start = faults.n_requests
    faults.plan = lambda *asked: "expired" if asked[2] >= start + 40 else None
    with pytest.raises(ConfigError, match=r"renew the credentials, and run the same command"):
        the_job(f"s3://{BUCKET}/in", f"s3://{BUCKET}/out")
    faults.plan = lambda *_: None
    there = the_job(f"s3://{BUCKET}/in", f"s3://{BUCKET}/out")
    assert there["files"] == the_job(str(shards), tmp_path / "here")["files"]


def test_only_what_is_asked_for_is_read(faults: Faults, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    wide = {f"c{i}": rng.random(20_000) for i in range(40)}
    pq.write_table(pa.table(wide), tmp_path / "wide.parquet", row_group_size=5_000)
    size = (tmp_path / "wide.parquet").stat().st_size
    fsspec.filesystem("s3").put(str(tmp_path / "wide.parquet"), f"{BUCKET}/wide.parquet")
    where = place(f"s3://{BUCKET}/wide.parquet")
    before = faults.n_bytes
    found = read_parquet(where, ["c3", "c30"])
    assert found.num_rows == 20_000
    assert faults.n_bytes - before < size / 8
    with parquet(where) as file:
        assert file.metadata.num_row_groups == 4


def test_lines_are_read_ahead(faults: Faults) -> None:
    fs = fsspec.filesystem("s3")
    content = b"".join(b'{"text": "line %d"}\n' % i for i in range(100_000))
    fs.pipe_file(f"{BUCKET}/a.jsonl", content)
    before = faults.n_requests
    with remote.opened(f"s3://{BUCKET}/a.jsonl") as stream:
        pieces = iter(lambda: stream.read(10_000), b"")
        assert b"".join(pieces) == content
        stream.seek(-5, 2)
        assert stream.read() == content[-5:]
        stream.seek(7)
        assert stream.read(3) == content[7:10]
    assert faults.n_requests - before < 25


def test_one_writer(faults: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "LEASE", 0.6)
    where, fs = place(f"s3://{BUCKET}/out"), fsspec.filesystem("s3", use_listings_cache=False)
    with (
        only_writer(where),
        pytest.raises(ConfigError, match="another run is writing there"),
        only_writer(where),
    ):
        raise AssertionError
    assert fs.glob(f"{BUCKET}/out/.lock*") == []
    fs.pipe_file(f"{BUCKET}/out/.lock-died", b"once")
    with only_writer(where):
        (lock,) = fs.glob(f"{BUCKET}/out/.lock*")
        assert not lock.endswith("died")


def test_of_many_that_find_a_dead_run_one_goes_on(
    faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "LEASE", 0.6)
    where, fs = place(f"s3://{BUCKET}/out"), fsspec.filesystem("s3", use_listings_cache=False)
    faults.latency = 0.002
    for _ in range(3):
        fs.pipe_file(f"{BUCKET}/out/.lock-died", b"once")
        inside, most = [0], [0]

        def take(inside: list[int] = inside, most: list[int] = most) -> None:
            with suppress(ConfigError), only_writer(where):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                time.sleep(0.3)
                inside[0] -= 1

        takers = [threading.Thread(target=take) for _ in range(3)]
        for taker in takers:
            taker.start()
        for taker in takers:
            taker.join()
        assert most[0] <= 1
        assert fs.glob(f"{BUCKET}/out/.lock*") in ([], [f"{BUCKET}/out/.lock-died"])


def test_no_upload_is_left_half_done(faults: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
    start = faults.n_requests
    faults.plan = lambda *asked: "500" if asked[0] == "PUT" and asked[2] >= start else None
    monkeypatch.setattr(remote, "_TRIES", 2)
    with pytest.raises(OSError, match="failed 2 times"):
        write_json(place(f"s3://{BUCKET}/a.json"), {"a": 1})
    faults.plan = lambda *_: None
    assert not fsspec.filesystem("s3").exists(f"{BUCKET}/a.json")


def test_the_command_line_in_a_store(
    faults: Faults,
    shards: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def run(*arguments: str) -> tuple[object, str]:
        with pytest.raises(SystemExit) as ended:
            main([*arguments])
        printed = capsys.readouterr()
        return ended.value.code, " ".join((printed.out + printed.err).split())

    fs, here = fsspec.filesystem("s3"), f"s3://{BUCKET}"
    fs.put(str(shards), f"{BUCKET}/in", recursive=True)
    scored = ("score", "token-prior", f"{here}/in", "--tokenizer", "demo", "--out", f"{here}/s")
    assert run(*scored)[0] == 0
    for more in ((), ("--errors",)):
        code, said = run("inspect", f"{here}/s", *more)
        assert code == 0
        assert "token-prior" in said
    assert run("inspect", f"{here}/nothing") == (
        2, f"Error: {here}/nothing: no such directory. Name a directory that curate wrote to."
    )  # fmt: skip
    faults.plan = lambda *_: "500"
    monkeypatch.setattr(remote, "_TRIES", 1)
    select_ = ("select", "random", "--scores", f"{here}/s/token-prior", "--budget", "50%")
    for arguments in ((*select_, "--out", f"{here}/sel"), scored, ("inspect", f"{here}/s")):
        code, said = run(*arguments)
        assert code in (1, 2)
        assert said.startswith("Error: ")
        assert "not foreseen" not in said


def test_what_is_told_and_what_is_not(
    tmp_path: Path,
    faults: Faults,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert redacted("see https://me:pass@host/a?X-Amz-Signature=abc&b=1, s3://b/k") == (
        "see https://***@host/a?X-Amz-Signature=***&b=1, s3://b/k"
    )
    faults.plan = lambda *_: "expired"
    with pytest.raises(SystemExit) as ended:
        main(
            [
                "score",
                "token-prior",
                f"s3://{BUCKET}/in",
                "--tokenizer",
                "demo",
                "--out",
                str(tmp_path),
            ]
        )
    said = " ".join(capsys.readouterr().err.split())
    assert ended.value.code == 2
    assert "renew the credentials" in said
    assert "not-to-be-told" not in said
