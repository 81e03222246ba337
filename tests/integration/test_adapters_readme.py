"""The examples of the adapters' README, each run by itself, print what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "curate/adapters/README.md").read_text()
EXAMPLES = re.findall(
    r"## ([^\n]*)\n(?:(?!\n## ).)*?```python\n(.*?)```\n\n```\n(.*?)```", TEXT, re.DOTALL
)


def test_every_adapter_has_an_example() -> None:
    assert [title for title, _, _ in EXAMPLES] == [
        "HF datasets",
        "Ray Data",
        "datatrove",
        "A plain loop",
    ]


@pytest.mark.parametrize(
    ("code", "printed"), [pytest.param(c, p, id=title) for title, c, p in EXAMPLES]
)
def test_an_example(tmp_path: Path, code: str, printed: str) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "HF_HOME": str(tmp_path),
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    }
    (tmp_path / "example.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "example.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == printed
