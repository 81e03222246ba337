"""What the documents say: commands that run, examples that print it, help and versions of today."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

import curate
from curate.cli import NAME, cli, main
from curate.cli.reference import DOCUMENT, reference

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path for path in ROOT.rglob("*.md")
    if not any(part.startswith((".", "work", "build")) for part in path.relative_to(ROOT).parts)
)  # fmt: skip
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
EXAMPLE = re.compile(r"^```python\n(.*?)^```$(?:\n\n```\n(.*?)^```$)?", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"`((?:curate|make) [a-z-]+[^`]*)`")
PACKAGES = ("scorers", "samplers", "mixing", "curate")
RUN_HERE = ("README.md", "curate/README.md")
"""Their `sh` blocks make one story, told in this order; the plug-in's are run by its own test."""


def blocks(path: str, kind: str) -> list[str]:
    text = (ROOT / path).read_text(encoding="utf-8")
    return [block for found, block in FENCE.findall(text) if found == kind]


def command_lines() -> Iterator[tuple[str, str]]:
    """Every line of every fenced block that calls curate, whatever it needs to run."""
    for path in (str(path.relative_to(ROOT)) for path in DOCUMENTS if path != DOCUMENT):
        for block in [*blocks(path, ""), *blocks(path, "sh")]:
            for line in block.replace("\\\n", " ").splitlines():
                if line.lstrip("$ ").startswith("curate "):
                    yield path, line.lstrip("$ ")


def parse(words: list[str]) -> None:
    """Find the command, let its parser see its options; nothing is run or looked for."""
    command: click.Command = cli
    context = click.Context(cli, info_name=NAME)
    while isinstance(command, click.Group) and words:
        name, *words = words
        found = command.get_command(context, name)
        if found is None:
            assert context.info_name in ("score", "select"), name  # of a package that is not here
            return
        command, context = found, click.Context(found, context, info_name=name)
    given, rest, _ = command.make_parser(context).parse_args([*words])
    assert not rest, rest
    if "--option" in words:  # a name of a package that is not here
        return
    for parameter in command.params:
        value = given.get(parameter.name)
        if isinstance(parameter.type, click.Choice | click.types.IntRange) and value is not None:
            parameter.type_cast_value(context, value)
        if isinstance(parameter, click.Option) and parameter.required:
            assert value is not None, parameter.opts


@pytest.mark.parametrize(("path", "line"), sorted({*command_lines()}))
def test_a_command_and_its_options_exist(path: str, line: str) -> None:
    parse(shlex.split(line, comments=True)[1:])


def test_what_is_gone_would_be_seen() -> None:
    with pytest.raises(click.NoSuchOption):
        parse(["score", "ask-llm", "web", "--modle", "demo"])
    with pytest.raises(click.BadParameter, match="'vlm' is not one of"):
        parse(["score", "ask-llm", "web", "--model", "demo", "--out", "s", "--backend", "vlm"])
    with pytest.raises(AssertionError, match="--out"):
        parse(["score", "ask-llm", "web", "--model", "demo"])
    assert len({*command_lines()}) > 50


def test_what_is_named_in_passing_exists() -> None:
    verbs = set(cli.list_commands(click.Context(cli)))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for path in DOCUMENTS:
        for said in SPAN.findall(path.read_text(encoding="utf-8")):
            program, name, *_ = said.split()
            known = verbs | {"--version", "--help"} if program == "curate" else targets
            assert name in known, (path, said)


def test_shell_blocks_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In this process: the libraries are loaded once for all commands."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    commands = [
        line for path in RUN_HERE for block in blocks(path, "sh") for line in block.splitlines()
    ]
    assert commands[0] == "make demo"  # takes minutes; it is `curate demo` and `curate run`
    assert len(commands) > 30
    for command in commands[1:]:
        verb, *words = shlex.split(command, comments=True)
        assert verb == NAME, command
        with pytest.raises(SystemExit) as ended:
            main(words)
        printed = capsys.readouterr()
        assert not ended.value.code, f"{command}\n{printed.out}\n{printed.err}"
    assert (tmp_path / "dataset/manifest.json").exists()


def test_shell_blocks_of_other_documents() -> None:
    others = {str(path.relative_to(ROOT)) for path in DOCUMENTS} - {*RUN_HERE}
    assert {path for path in others if blocks(path, "sh")} == {"examples/plugin/README.md"}


def examples() -> Iterator[object]:
    for path in (path.relative_to(ROOT) for path in DOCUMENTS):
        found = EXAMPLE.findall((ROOT / path).read_text(encoding="utf-8"))
        for number, (code, printed) in enumerate(found, 1):
            yield pytest.param(code, printed, id=f"{path}-{number}")


@pytest.mark.parametrize(("code", "printed"), [*examples()])
def test_an_example_prints_what_it_says(tmp_path: Path, code: str, printed: str) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "HF_HOME": str(tmp_path),
        "OMP_NUM_THREADS": "1",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    }
    (tmp_path / "example.py").write_text(code, encoding="utf-8")
    words = [sys.executable, "example.py"]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert printed, "An example needs a block with what it prints."
    assert done.stdout == printed


def test_every_package_and_adapter_has_an_example() -> None:
    for path in ("README.md", *(f"{name}/README.md" for name in PACKAGES), "CONTRIBUTING.md"):
        assert blocks(path, "python"), path
    assert len(blocks("curate/adapters/README.md", "python")) == 4


def test_links_lead_somewhere() -> None:
    for path in DOCUMENTS:
        text = FENCE.sub("", path.read_text(encoding="utf-8"))
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if "://" in target:
                continue
            file, _, anchor = target.partition("#")
            there = path.parent / file if file else path
            assert there.exists(), (path, target)
            if anchor:
                heads = re.findall(r"^#+ (.*)$", there.read_text(encoding="utf-8"), re.MULTILINE)
                assert anchor in {h.lower().replace(",", "").replace(" ", "-") for h in heads}


def test_the_commands_document_is_of_today() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == reference(), (
        "Run `python -m curate.cli.reference`."
    )


def test_the_version_that_is_cited() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert cited["version"] == curate.__version__
    assert {"cff-version", "message", "title", "authors"} <= set(cited)
