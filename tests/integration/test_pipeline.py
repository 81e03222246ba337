"""The whole job from one file: twice the same bytes, killed and resumed the same bytes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from curate.curves import Curves
from tests.conftest import some_text
from tests.unit.test_score import contents

KILL_WHEN = [
    "scores/embeddings/*/*.parquet",
    "scores/ask-llm/*/0.jsonl.parquet",
    "scores/density/_config.json",
    "selection/*/*.parquet",
    "mix/proxies/stacks/plan.json",
    "mix/proxies/runs/00[1-9].json",
    "mix/proxies/runs/check-*.json",
    "dataset/.spool",
]


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory, tiny_model: str) -> dict[str, Any]:
    """A pipeline on three domains, one of them with documents that cannot be scored."""
    import json

    root = tmp_path_factory.mktemp("job")
    for domain, n in (("web", 90), ("code", 60), ("books", 45)):
        (root / "corpus" / domain).mkdir(parents=True)
        for part in range(2):
            texts = [some_text(i + 1000 * len(domain), 60) for i in range(part * n, (part + 1) * n)]
            lines = [
                json.dumps({"id": f"{domain}{part}-{i}", "text": t}) for i, t in enumerate(texts)
            ]
            if domain == "web":
                lines[3:3] = ["no json", json.dumps({"id": "empty", "text": ""})]
            (root / f"corpus/{domain}/{part}.jsonl").write_text("\n".join(lines) + "\n")
    return {
        "seed": 7,
        "workers": 1,
        "chunk_rows": 25,
        "corpus": {"inputs": [str(root / "corpus")]},
        "score": {
            "ask-llm": {"model": tiny_model, "max_tokens": 250},
            "perplexity": {"model": tiny_model},
            "density": {"n_reference": 50},
        },
        "select": {"by": "ask-llm", "budget": "80%"},
        "mix": {
            "design": {"runs": 4},
            "proxy": {
                "tokenizer": tiny_model,
                "held_out": 0.2,
                "hidden": 16,
                "heads": 2,
                "length": 32,
                "batch": 4,
                "steps": 4,
            },
            "check_seeds": 1,
        },
        "build": {"tokens": 20000, "shards": 3},
    }


def command(job: dict[str, Any], root: Path) -> list[str]:
    file = root.with_suffix(".yaml")
    file.write_text(yaml.safe_dump({**job, "out": str(root)}))
    return [sys.executable, "-m", "curate", "run", str(file)]


def run(job: dict[str, Any], root: Path) -> str:
    done = subprocess.run(command(job, root), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def kill_when(job: dict[str, Any], root: Path, pattern: str) -> None:
    """Start the job, and kill it and its children once a file is there."""
    process = subprocess.Popen(
        command(job, root), start_new_session=True, stderr=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        while not any(root.glob(pattern)):
            assert process.poll() is None, f"ended before {pattern}: {process.communicate()}"
            time.sleep(0.002)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_twice_and_killed_the_same_bytes(job: dict[str, Any], tmp_path: Path) -> None:
    printed = run(job, tmp_path / "whole")
    for word in ("web", "share before", "proposed", "Predicted loss", "Measured loss", "manifest"):
        assert word in printed
    assert "2 documents without a score, invalid_json (web/0.jsonl row 3)" in printed
    whole = contents(tmp_path / "whole")
    assert len(whole) > 40
    checked = Curves.read(tmp_path / "whole" / "mix" / "check.parquet").runs
    assert [name.split("-")[1] for name in checked] == ["proposed", "proportional", "unfiltered"]

    run(job, tmp_path / "again")
    assert contents(tmp_path / "again") == whole

    for number, pattern in enumerate(KILL_WHEN):
        workers = 2 if number < 2 else 1  # two take longer to start than they save
        kill_when({**job, "workers": workers}, tmp_path / "killed", pattern)
    run(job, tmp_path / "killed")
    assert contents(tmp_path / "killed") == whole
    assert run(job, tmp_path / "killed") == printed.replace("/whole", "/killed")


def test_the_plan_and_a_typo(job: dict[str, Any], tmp_path: Path) -> None:
    plan = subprocess.run(
        [*command(job, tmp_path / "out"), "--dry-run"], capture_output=True, text=True
    )
    assert plan.returncode == 0
    assert "web/0.jsonl (web)" in plan.stdout
    assert not (tmp_path / "out").exists()
    typo = subprocess.run(
        [*command(job, tmp_path / "out"), "--set", "select.budgt=10%"],
        capture_output=True,
        text=True,
    )
    assert typo.returncode == 2
    assert "select.budgt" in typo.stderr
    assert "Traceback" not in typo.stderr
