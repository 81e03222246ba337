"""What the documents say: commands that exist, examples that run, help and versions of today."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import click
import pytest
import yaml

import curate
from curate.cli import NAME, cli
from curate.cli.reference import DOCUMENT, reference

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path for path in ROOT.rglob("*.md")
    if not any(part.startswith((".", "work", "build")) for part in path.relative_to(ROOT).parts)
)  # fmt: skip
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"`((?:curate|make) [a-z-]+[^`]*)`")


def command_lines() -> Iterator[tuple[str, str]]:
    """Every line of every fenced block that calls curate, whatever it needs to run."""
    for path in DOCUMENTS:
        if path == DOCUMENT:
            continue
        for kind, block in FENCE.findall(path.read_text(encoding="utf-8")):
            if kind in ("", "sh"):
                for line in block.replace("\\\n", " ").splitlines():
                    if line.lstrip("$ ").startswith("curate "):
                        yield str(path.relative_to(ROOT)), line.lstrip("$ ")


def parse(words: list[str]) -> None:
    """Find the command, and let its parser see its options; nothing is run or looked for."""
    command: click.Command = cli
    context = click.Context(cli, info_name=NAME)
    while isinstance(command, click.Group) and words:
        name, *words = words
        found = command.get_command(context, name)
        if found is None:
            assert context.info_name in ("score", "select"), name  # of a package that is not here
            return
        command, context = found, click.Context(found, context, info_name=name)
    command.make_parser(context).parse_args(words)


@pytest.mark.parametrize(("path", "line"), sorted({*command_lines()}))
def test_a_command_and_its_options_exist(path: str, line: str) -> None:
    parse(shlex.split(line, comments=True)[1:])


def test_an_option_that_is_gone_would_be_seen() -> None:
    with pytest.raises(click.NoSuchOption):
        parse(["score", "ask-llm", "web", "--modle", "demo"])
    assert len({*command_lines()}) > 50


def test_what_is_named_in_passing_exists() -> None:
    verbs = set(cli.list_commands(click.Context(cli)))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for path in DOCUMENTS:
        for said in SPAN.findall(path.read_text(encoding="utf-8")):
            program, name, *_ = said.split()
            known = verbs | {"--version", "--help"} if program == "curate" else targets
            assert name in known, (path, said)


def test_the_commands_document_is_of_today() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == reference(), (
        "Run `python -m curate.cli.reference`."
    )


def test_the_version_that_is_cited() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert cited["version"] == curate.__version__
    assert {"cff-version", "message", "title", "authors"} <= set(cited)


def test_the_examples_for_contributors(tmp_path: Path) -> None:
    found = FENCE.findall((ROOT / "CONTRIBUTING.md").read_text())
    pairs = [(code, told) for (a, code), (b, told) in pairwise(found)
             if (a, b) == ("python", "")]  # fmt: skip
    assert len(pairs) == 2
    for code, told in pairs:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
        )
        assert done.stdout == told, done.stderr
