"""The README's commands work as printed, in the order they are printed."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from curate.cli import main
from curate.demo import MODEL_PATH

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"```(sh|python)\n(.*?)```", re.DOTALL)


def blocks(language: str) -> list[str]:
    return [
        body for kind, body in BLOCK.findall((ROOT / "README.md").read_text()) if kind == language
    ]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("readme")
    shutil.copytree(ROOT / "examples", path / "examples")
    shutil.copytree(MODEL_PATH, path / "demo-model")
    return path


def test_shell_blocks(
    room: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In this process: the libraries are loaded once for all commands."""
    monkeypatch.chdir(room)
    commands = [line for block in blocks("sh") for line in block.splitlines() if line]
    assert len(commands) > 10
    for command in commands:
        if command.startswith("make "):
            target = command.split()[1]
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
            continue
        verb, *words = shlex.split(command, comments=True)
        assert verb == "curate", command
        with pytest.raises(SystemExit) as ended:
            main(words)
        printed = capsys.readouterr()
        assert not ended.value.code, f"{command}\n{printed.out}\n{printed.err}"
    manifest = room / "dataset/manifest.json"
    assert manifest.exists()


def test_python_block(room: Path) -> None:
    (code,) = blocks("python")
    assert len([line for line in code.splitlines() if line]) <= 12
    done = subprocess.run([sys.executable, "-c", code], cwd=room, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    good, bad, empty = done.stdout.splitlines()
    assert good.endswith("None")
    assert float(good.split()[0]) > float(bad.split()[0])
    assert empty == "nan empty"
