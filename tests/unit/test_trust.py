"""Files that somebody else wrote lead nowhere, and say what they are not."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from curate.cli import main
from curate.corpus import Corpus
from curate.demo import MODEL_PATH
from curate.errors import ConfigError
from curate.stages.score import score
from curate.stages.select import select
from curate.tables import table_path
from scorers import TokenPrior
from tests.conftest import WriteShard


@pytest.fixture
def scores(tmp_path: Path, write_shard: WriteShard) -> Path:
    for name in ("web/a.jsonl", "code/b.parquet"):
        write_shard(name, ["some text", "and another", "one more"])
    corpus = Corpus(inputs=(str(tmp_path / "corpus"),))
    score(corpus, TokenPrior(tokenizer=str(MODEL_PATH)), tmp_path / "scores")
    return tmp_path / "scores" / "token-prior"


@pytest.mark.parametrize(
    "name",
    ["../../escaped.jsonl", "/tmp/escaped.jsonl", "a/../../b.jsonl", "./a", "a//b", "", "\0"],
)
def test_a_name_that_leads_out_of_the_tables(scores: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="no name of a shard"):
        table_path(scores, name)
    report = json.loads((scores / "_report.json").read_text())
    (scores / "_report.json").write_text(json.dumps({**report, "shards": [name]}))
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(ConfigError, match="no name of a shard"):
        select(scores, tmp_path / "deep" / "er" / "sel", method="random", budget="50%")
    after = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert {path.name for path in after - before} <= {".lock"}


@pytest.mark.parametrize("file", ["_config.json", "_report.json"])
@pytest.mark.parametrize("content", ["[]", "{}", "null", '"a"', "3", "{", '{"shards": 3}'])
@pytest.mark.parametrize("verb", [["inspect"], ["inspect", "--errors"], ["select", "random"]])
def test_records_that_are_none(
    scores: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    file: str,
    content: str,
    verb: list[str],
) -> None:
    (scores / file).write_text(content)
    more = ["--scores", str(scores), "--budget", "50%", "--out", str(tmp_path / "sel")]
    arguments = [*verb, *(more if verb[0] == "select" else [str(scores)])]
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    said = capsys.readouterr().err
    assert ended.value.code == 2, said
    assert file in said.replace("\n", "")
    assert "not foreseen" not in said


def test_a_shard_that_was_not_read_is_told_to_the_end(
    tmp_path: Path, write_shard: WriteShard, capsys: pytest.CaptureFixture[str]
) -> None:
    write_shard("web/a.jsonl", ["some text", "and another", "one more"])
    (tmp_path / "corpus/web/b.parquet").write_bytes(b"PAR1 and no more")
    scores, selection, out = (str(tmp_path / name) for name in ("scores", "sel", "out"))
    (tmp_path / "mixture.json").write_text('{"web": 1.0}')
    corpus = str(tmp_path / "corpus")
    tables = f"{scores}/token-prior"
    for arguments, code in (
        (["score", "token-prior", corpus, "--tokenizer", "demo", "--out", scores], 3),
        (["select", "random", "--scores", tables, "--budget", "100%", "--out", selection], 0),
        (["inspect", selection], 0),
        (["build", corpus, "--selection", selection, "--mixture", str(tmp_path / "mixture.json"),
          "--tokens", "100", "--out", out], 0),
        (["inspect", out], 0),
    ):  # fmt: skip
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        printed = capsys.readouterr()
        assert ended.value.code == code, printed
        assert "web/b.parquet" in printed.out + printed.err, arguments


def test_a_glob_leaves_no_file_out(tmp_path: Path, write_shard: WriteShard) -> None:
    write_shard("a.jsonl", ["one"])
    room = tmp_path / "corpus"
    (room / "dangling.jsonl").symlink_to(room / "nowhere")
    os.mkfifo(room / "pipe.jsonl")
    (room / "directory.jsonl").mkdir()
    (room / "LOUD.JSONL").write_text('{"text": "two"}\n')
    names = [shard.name for shard in Corpus(inputs=(f"{room}/*.jsonl",)).shards]
    assert names == ["a.jsonl", "dangling.jsonl", "pipe.jsonl"]
    report = score(
        Corpus(inputs=(f"{room}/*.*",)), TokenPrior(tokenizer=str(MODEL_PATH)), tmp_path / "out"
    )
    assert (report.documents, sorted(report.failed)) == (2, ["dangling.jsonl", "pipe.jsonl"])


def test_a_hidden_shard_that_is_named_is_read(tmp_path: Path) -> None:
    path = tmp_path / "_one.jsonl"
    path.write_text('{"text": "two"}\n')
    assert [shard.name for shard in Corpus(inputs=(str(path),)).shards] == ["_one.jsonl"]
