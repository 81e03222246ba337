"""What is printed and where: figures as JSON, quiet runs, logs, bars, and what shells complete."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.shell_completion import get_completion_class

from curate.cli import NAME, cli, main
from curate.cli.figures import plain
from curate.registry import names
from tests.conftest import WriteShard, some_text
from tests.integration.test_cli import commands

SILENT = ("mix export", "completion", "score", "mix", "import")
"""Commands that print no figures, or only name others."""
HEAVY = ("torch", "transformers", "faiss", "datasets", "sklearn", "scipy", "pyarrow", "numpy")


def run(*arguments: str, code: int = 0) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*map(str, arguments)])
    assert (ended.value.code or 0) == code


@pytest.fixture
def room(tmp_path: Path, write_shard: WriteShard, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for domain in ("code", "web"):
        write_shard(f"{domain}/a.jsonl", ["", *(some_text(i, 900) for i in range(20))])
    (tmp_path / "runs.csv").write_text(
        "run,share/a,share/b,loss/x\n"
        + "".join(f"{i},{i / 8},{1 - i / 8},{2 + (i / 8 - 0.4) ** 2:.4f}\n" for i in range(9))
    )
    return tmp_path


@pytest.mark.parametrize("path", [" ".join(p) for p, c in commands(cli) if p])
def test_every_command_that_prints_figures_can_print_them_as_json(path: str) -> None:
    command: click.Command = cli
    for name in path.split():
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), name)
        assert found is not None
        command = found
    options = {option for parameter in command.params for option in parameter.opts}
    assert ({"--json", "--quiet"} <= options) == (path not in SILENT)


STEPS: list[tuple[str, list[str]]] = [
    ("demo made --documents 20", ["directory", "domains"]),
    (
        "score token-prior corpus --tokenizer demo --out s",
        ["directory", "documents", "scored", "reasons", "failed", "stages"],
    ),
    (
        "score density corpus --out s --embedder-arg n_features=1024 --embedder-arg dimension=8",
        ["directory", "documents", "note", "stages"],
    ),
    ("embed corpus --out e --embedder-arg n_features=1024", ["documents", "scored", "stages"]),
    (
        "combine s/token-prior s/density --how weighted-sum --weight token-prior=1 "
        "--weight density=1 --out s",
        ["documents", "scored", "stages"],
    ),
    (
        "select random --scores s/token-prior --budget 80% --by-domain --out sel",
        ["directory", "domains", "request", "stages"],
    ),
    ("mix design --selection sel --out design.csv --runs 3", ["file", "runs"]),
    ("mix fit runs.csv --law linear --out law.json", ["law", "targets", "parameters", "warnings"]),
    ("mix compare runs.csv --law linear,constant", ["laws", "n_runs", "held_out_by"]),
    ("mix predict law.json runs.csv", ["predictions", "judged", "level"]),
    ("mix optimize law.json --prior prior.json --out m.json", ["mixture", "gain", "certificate"]),
    (
        "mix run design.csv --corpus corpus --selection sel --out r --workers 1 --hidden 16 "
        "--steps 20 --length 16 --batch 4 --measures 8 --held-out 0.4",
        ["directory", "runs", "parameters", "tokens", "diverged", "stages"],
    ),
    ("mix curves r/runs.parquet", ["learners", "objective"]),
    ("mix scale r/runs.parquet --steps 30", ["runs", "exponents", "checks"]),
    ("mix schedule both.json --end web=0.7 --out sch.json", ["phases", "mixture"]),
    (
        "mix autoscale --small runs.csv --small-tokens 1M --large runs.csv --large-tokens 2M "
        "--law linear --out auto.json",
        ["mixture", "growth", "step"],
    ),
    (
        "build corpus --selection sel --mixture both.json --tokens 9K --shards 1 --out ds",
        ["directory", "domains", "documents", "files", "stages"],
    ),
    ("inspect s sel ds r", ["directories"]),
    ("inspect s/token-prior --errors", ["directories"]),
    ("inspect s --correlate", ["names", "pairs", "n_documents"]),
]


def test_json_is_one_object_and_nothing_else(
    room: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (room / "prior.json").write_text('{"a": 0.5, "b": 0.5}')
    (room / "both.json").write_text('{"mixture": {"code": 0.5, "web": 0.5}}')
    found: dict[str, Any] = {}
    for command, keys in STEPS:
        with pytest.raises(SystemExit) as ended:
            main([*command.split(), "--json", "--quiet"])
        printed = capsys.readouterr()
        assert (ended.value.code or 0) == 0, (command, printed.err)
        assert printed.out.count("\n") == 1, command
        assert "NaN" not in printed.out
        assert "Infinity" not in printed.out
        assert printed.err == "", command
        found[" ".join(command.split()[:2])] = told = json.loads(printed.out)
        assert {*keys} <= {*told}, command
    scored = found["score token-prior"]
    assert (scored["documents"], scored["scored"], scored["reasons"]) == (42, 40, {"empty": 2})
    (stage,) = scored["stages"]
    assert (stage["stage"], stage["event"], stage["nulls"]) == ("score", "finished", 2)
    assert stage["tokens"] > 100
    assert found["mix optimize"]["mixture"].keys() == {"a", "b"}
    held = found["inspect s/token-prior"]["directories"][0]
    assert held["reasons"] == {"empty": 2}
    assert held["places"][0] == {
        "shard": "code/a.jsonl",
        "row": 0,
        "reason": "empty",
        "documents": 1,
    }
    assert found["inspect s"]["pairs"][0]["n"] == 40  # the last of three
    assert len(found["mix run"]["runs"]) == 3
    run(
        "mix",
        "optimize",
        "law.json",
        "--prior",
        "nowhere.json",
        "--out",
        "n.json",
        "--json",
        code=2,
    )
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "nowhere.json: not there" in printed.err


def test_quiet_is_about_standard_error_alone(
    room: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["score", "token-prior", "corpus", "--tokenizer", "demo", "--out"]
    run(*arguments, "loud")
    loud = capsys.readouterr()
    assert re.fullmatch(
        r"score token-prior: done in \S+ s, 2/2 shards, 42 documents \(\S+/s\), [\d,]+ tokens "
        r"\(\S+/s\), 2 without a result\n",
        loud.err,
    )
    run(*arguments, "quiet", "--quiet")
    quiet = capsys.readouterr()
    assert quiet.err == ""
    assert quiet.out == loud.out.replace("loud", "quiet")
    run(*arguments, "quiet", "--quiet", "--chunk-rows", "7", code=2)
    assert "another configuration" in capsys.readouterr().err
    (room / "corpus/web/a.jsonl").unlink()
    (room / "corpus/web/b.parquet").write_bytes(b"PAR1 cut")
    run(*arguments, "failed", "--quiet", code=3)
    assert "Shard left out" not in capsys.readouterr().out


def test_figures_as_json_has_them() -> None:
    figures = {"a": np.array([1.0, np.nan]), "b": np.float64("inf"), "c": (Path("x"), np.int64(3))}
    assert plain(figures) == {"a": [1.0, None], "b": None, "c": ["x", 3]}


def test_bars_on_a_terminal(room: Path) -> None:
    arguments = ["score", "token-prior", "corpus", "--tokenizer", "demo", "--out", "s"]
    said = _on_a_terminal(room, [*arguments, "--chunk-rows", "8"], columns=120)
    assert "\x1b[?25l" in said  # what is there changes in place
    assert "score token-prior" in said
    assert "2/2 shards" in said
    assert "42 documents in = 40 scored + 2 without a score" in said
    quiet = _on_a_terminal(room, [*arguments, "--chunk-rows", "8", "--quiet"], columns=120)
    assert "\x1b" not in quiet
    assert quiet.split() == said.split()[-len(quiet.split()) :]


def _on_a_terminal(where: Path, arguments: list[str], columns: int) -> str:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-m", "curate", *arguments],
        cwd=where,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color", "PYTHONPATH": str(root)},
    )
    os.close(theirs)
    said = b""
    try:
        while piece := os.read(ours, 1 << 16):
            said += piece
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(ours)
    assert process.wait() == 0, said
    return said.decode()


def test_completion_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    for shell in ("bash", "zsh", "fish"):
        run("completion", shell)
        printed = capsys.readouterr()
        assert f"_CURATE_COMPLETE={shell}_complete" in printed.out
        assert printed.err == ""
    run("completion", "--help")
    help_ = capsys.readouterr().out
    assert 'eval "$(curate completion bash)"' in help_
    assert "curate completion fish | source" in help_


@pytest.mark.parametrize(
    ("line", "begun", "wanted"),
    [
        ("", "sc", ["score"]),
        ("score", "", names("scorers")),
        ("score", "density-", ["density-exact", "density-race", "density-faiss"]),
        ("select", "", names("samplers")),
        ("mix fit runs.csv --law", "joint", ["joint-additive", "joint-additive-full"]),
        ("mix fit runs.csv --law", "log", ["log-linear"]),
        ("mix fit runs.csv --law", "au", ["auto"]),
        ("mix design --law", "d-", ["d-cpt"]),
        ("combine --how", "mean", ["mean", "mean-rank"]),
        ("score perplexity --back", "", ["--backend"]),
        ("score perplexity --backend", "v", ["vllm"]),
    ],
)
def test_what_a_shell_completes(line: str, begun: str, wanted: list[str]) -> None:
    words = line.split()
    if words and not begun and words[-1].startswith("--"):
        begun = words.pop()
    kind = get_completion_class("bash")
    assert kind is not None
    made = kind(cli, {}, NAME, "_CURATE_COMPLETE")
    assert [item.value for item in made.get_completions(words, begun)] == wanted


def test_completion_by_the_shell_itself(tmp_path: Path) -> None:
    script = "\n".join(
        [
            f"curate() {{ {sys.executable} -m curate \"$@\"; }}",
            'eval "$(curate completion bash)"',
            "COMP_WORDS=(curate select inv); COMP_CWORD=2",
            "_curate_completion curate",
            'echo "found: ${COMPREPLY[*]}"',
        ]
    )  # fmt: skip
    root = Path(__file__).parents[2]
    fake = tmp_path / "curate"
    fake.write_text(f'#!/bin/sh\nexec {sys.executable} -m curate "$@"\n')
    fake.chmod(0o755)
    done = subprocess.run(
        ["bash", "-c", script.replace("_curate_completion curate", f"_curate_completion {fake}")],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert "found: inverse-propensity" in done.stdout, done.stderr


def test_help_is_quick_and_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom curate.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n"
        f"    print([m for m in {HEAVY} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Commands:" in done.stdout
    assert done.stdout.strip().endswith("[]")
    times = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "curate", "--help"], capture_output=True, check=True)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.5
