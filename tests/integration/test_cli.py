"""The command line: help for everything, exit codes, and errors without a traceback."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from curate.cli import VERBS, cli, main
from curate.registry import BUILT_IN, find, reads_points
from curate.tables import ScoreStore
from tests.conftest import WriteShard, some_text


def commands(
    group: click.Command, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, group
    if isinstance(group, click.Group):
        context = click.Context(group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            yield from commands(command, (*path, name))


@pytest.mark.parametrize(
    ("path", "command"), [pytest.param(p, c, id=" ".join(p) or "curate") for p, c in commands(cli)]
)
def test_every_command_and_option_has_help(path: tuple[str, ...], command: click.Command) -> None:
    assert command.help, path
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{path}: {parameter.opts}"


def exit_code(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


def test_a_mistyped_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["scroe"]) == 2
    assert "Did you mean 'score'?" in capsys.readouterr().err
    assert {
        "score",
        "select",
        "combine",
        "embed",
        "import",
        "mix",
        "build",
        "run",
        "inspect",
        "report",
        "demo",
        "completion",
    } <= set(VERBS)


def test_exit_codes(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, tiny_model: str, write_shard: WriteShard
) -> None:
    out = str(tmp_path / "out")
    (tmp_path / "empty").mkdir()
    assert exit_code(["score", "density", str(tmp_path / "empty"), "--out", out]) == 2
    assert "nothing there" in capsys.readouterr().err
    assert exit_code(["inspect", str(tmp_path / "empty")]) == 2
    assert "nothing that curate wrote" in capsys.readouterr().err
    assert exit_code(["score", "ask-llm", str(tmp_path), "--model", "no/such", "--out", out]) == 2
    assert "Error: ask-llm: the model 'no/such' cannot be loaded" in capsys.readouterr().err
    write_shard("web/a.jsonl", [some_text(i) for i in range(5)])
    write_shard("web/b.parquet", ["x"]).write_bytes(b"PAR1 cut")
    corpus = str(tmp_path / "corpus")
    arguments = ["score", "perplexity", corpus, "--model", tiny_model, "--out", out]
    assert exit_code(arguments) == 3
    printed = capsys.readouterr()
    assert "5 documents in = 5 scored + 0 without a score" in printed.out
    assert "b.parquet: the file is damaged" in printed.err.replace("\n", " ")
    assert exit_code([*arguments, "--window", "16"]) == 2
    assert "another configuration" in capsys.readouterr().err


def test_terminal_escapes_of_a_corpus_are_not_sent_to_the_terminal(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, write_shard: WriteShard
) -> None:
    texts = [some_text(i) for i in range(6)]
    write_shard("a.jsonl", texts, topic=["\x1b[31m[bold]red"] * 3 + ["plain"] * 3)
    out = str(tmp_path / "out")
    main_ = ["score", "density", str(tmp_path / "corpus"), "--domain-column", "topic", "--out", out]
    assert exit_code(main_) == 0
    assert exit_code(["inspect", out]) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\\x1b[31m[bold]red" in shown


def test_embeddings_once_for_several_scorers(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, write_shard: WriteShard
) -> None:
    write_shard("a.jsonl", [*(some_text(i) for i in range(30)), ""])
    corpus, out = str(tmp_path / "corpus"), str(tmp_path / "out")
    small = ["--embedder-arg", "n_features=1024", "--embedder-arg", "dimension=16"]
    assert exit_code(["score", "density", corpus, "--out", out, *small]) == 0
    assert exit_code(["embed", corpus, "--out", out, *small]) == 0
    assert "31 documents in = 30 embedded + 1 without an embedding" in capsys.readouterr().out
    embeddings = ["--embeddings", f"{out}/embeddings"]
    assert exit_code(["score", "semdedup", *embeddings, "--out", out]) == 0
    assert exit_code(["inspect", out]) == 0
    shown = capsys.readouterr().out
    assert "Embeddings of embeddings: hashed-ngrams, unit vector, 17 entries; 1 shards" in shown
    assert "Weights 1 / density spread" in shown
    assert exit_code(["score", "density", "--out", out]) == 2
    assert "wants one of INPUT... and --embeddings, not neither" in said(capsys)
    assert exit_code(["score", "density", corpus, *embeddings, "--out", out]) == 2
    assert "not both" in said(capsys)
    assert exit_code(["score", "density", *embeddings, *small, "--out", out]) == 2
    assert "embedded already" in said(capsys)
    assert exit_code(["score", "density", *embeddings, "--id-column", "x", "--out", out]) == 2
    assert "--id-column says how INPUT is read, and there is none" in said(capsys)
    assert exit_code(["score", "density", corpus, "--name", "embeddings", "--out", out]) == 2
    assert "Scores cannot be named 'embeddings'" in said(capsys)
    wide = ["--bandwidth", "9", "--name", "wide", "--chunk-rows", "9"]
    assert exit_code(["score", "density", *embeddings, *wide, "--out", out]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "Weights 1 / density spread 1.0" in told
    assert "give a smaller --bandwidth." in told
    assert ScoreStore.open(f"{out}/wide").config["chunk_rows"] == 9
    assert exit_code(["embed", corpus, "--vector-column", "v", *small, "--out", out]) == 2
    assert "--vector-column is read in place of an embedder" in said(capsys)
    assert (
        exit_code(["select", "top-k", "--scores", embeddings[1], "--budget", "9", "--out", out])
        == 2
    )


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().err.split())


POINT_SCORERS = [name for name in BUILT_IN["scorers"] if reads_points(name)]


@pytest.mark.parametrize("name", POINT_SCORERS)
def test_options_of_scorers_of_points_are_their_fields(name: str) -> None:
    group = cli.get_command(click.Context(cli), "score")
    assert isinstance(group, click.Group)
    every = [{p.name for p in group.commands[other].params} for other in POINT_SCORERS]
    shared = set.intersection(*every) - {"seed"}
    fields = {field.name for field in dataclasses.fields(find("scorers", name))}
    given = {p.name for p in group.commands[name].params}
    assert given - shared | {"seed"} == fields | {"seed"}
    assert "seed" in given
