"""The package in examples/plugin, installed for real and used by name."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from tests.conftest import some_text

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pip installed the plug-in, without any index."""
    room = tmp_path_factory.mktemp("plugin")
    shutil.copytree(ROOT / "examples/plugin", room / "source")
    target = room / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    pip += ["--no-build-isolation", "--disable-pip-version-check", "--target", str(target)]
    done = subprocess.run([*pip, str(room / "source")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """A corpus of two domains, and a table of runs whose law is known."""
    for domain, n in (("web", 60), ("code", 40)):
        (tmp_path / "corpus" / domain).mkdir(parents=True)
        texts = [*(some_text(i, words=60) for i in range(n)), "The the THE cat", "..."]
        rows = [json.dumps({"id": f"{domain}-{i}", "text": t}) for i, t in enumerate(texts)]
        (tmp_path / f"corpus/{domain}/a.jsonl").write_text("\n".join(rows) + "\n")
    shares = np.linspace(0.05, 0.95, 12)
    losses = 2.0 - 0.3 * np.log(shares + 0.05) - 0.1 * np.log(1 - shares + 0.05)
    table = [f"{i},{r},{1 - r},{y}" for i, (r, y) in enumerate(zip(shares, losses, strict=True))]
    header = "run,share/code,share/web,loss/all\n"
    (tmp_path / "runs.csv").write_text(header + "\n".join(table) + "\n")
    return tmp_path


def curate(site: Path, room: Path, *words: str, code: int = 0) -> str:
    """What a command prints, wherever, on one line."""
    environment = {**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{ROOT}", "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-m", "curate", *words],
        cwd=room,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, f"{words}\n{done.stdout}\n{done.stderr}"
    return " ".join((done.stdout + done.stderr).split())


def test_the_names_are_told(site: Path, room: Path) -> None:
    assert "ttr Added by the package curate-plugin-example." in curate(
        site, room, "score", "--help"
    )
    told = curate(site, room, "score", "ttr", "--help")
    assert "Distinct words over words" in told
    assert "--option lowercase=… [default: True]" in told
    assert "nearest" in curate(site, room, "select", "--help")
    assert "logarithmic" in curate(site, room, "mix", "fit", "--help")
    assert "Did you mean 'ttr'?" in curate(site, room, "score", "tttr", code=2)
    wrong = ["select", "nearst", "--scores", "s", "--out", "o"]
    assert "Did you mean 'nearest'?" in curate(site, room, *wrong, code=2)
    wrong = ["mix", "fit", "runs.csv", "--law", "logaritmic", "--out", "o"]
    assert "Did you mean 'logarithmic'?" in curate(site, room, *wrong, code=2)


def test_they_are_used_by_name(site: Path, room: Path) -> None:
    words = ["score", "ttr", "corpus", "--out", "scores"]
    told = curate(site, room, *words, "--option", "lowercse=false", code=2)
    assert "ttr has no option 'lowercse'. Did you mean 'lowercase'?" in told
    told = curate(site, room, *words, "--option", "out=x", code=2)
    assert "--option out is --out of the command" in told
    told = curate(site, room, *words, "--option", "lowercase=false")
    assert "104 documents in = 102 scored + 2 without a score" in told
    assert "2 no_words" in told
    table = pq.read_table(room / "scores/ttr/web/a.jsonl.parquet")
    assert table["score"][60].as_py() == 1.0  # The, the, THE, cat
    assert table["n_words"][60].as_py() == 4
    words = ["select", "nearest", "--scores", "scores/ttr", "--budget", "10docs", "--out", "sel"]
    curate(site, room, *words, "--option", "target=0.6")
    parts = sorted((room / "sel").rglob("*.parquet"))
    taken = {(p.parent.name, row) for p in parts for row in pq.read_table(p)["row"].to_pylist()}
    distance = {
        (domain, row): abs(score - 0.6)
        for domain in ("web", "code")
        for row, score in enumerate(
            pq.read_table(room / f"scores/ttr/{domain}/a.jsonl.parquet")["score"].to_pylist()
        )
        if score is not None
    }
    assert len(taken) == 10
    left = distance.keys() - taken
    assert max(distance[one] for one in taken) <= min(distance[one] for one in left)


def test_a_law_is_fitted_stored_and_read_again(site: Path, room: Path) -> None:
    fit = ["mix", "fit", "runs.csv", "--law", "logarithmic", "--out", "law.json", "--parameters"]
    told = curate(site, room, *fit)
    assert "-0.3" in told
    assert "-0.1" in told
    (room / "mixtures.csv").write_text("share/code,share/web\n0.5,0.5\n")
    curate(site, room, "mix", "predict", "law.json", "mixtures.csv", "--out", "predicted.csv")
    head, row = (room / "predicted.csv").read_text().splitlines()
    found = dict(zip(head.split(","), row.split(","), strict=True))
    assert float(found["loss/all"]) == pytest.approx(2.0 - 0.4 * np.log(0.55), abs=1e-6)
    told = curate(room / "nowhere", room, "mix", "predict", "law.json", "mixtures.csv", code=2)
    assert "'logarithmic' is none of the laws" in told


def test_a_pipeline_file_names_all_three(site: Path, room: Path) -> None:
    job = {
        "out": "job",
        "workers": 1,
        "corpus": {"inputs": ["corpus"]},
        "score": {
            "varied": {"scorer": "ttr", "lowercase": False},
            "token-prior": {"tokenizer": "demo"},
        },
        "select": {
            "by": "varied",
            "method": "nearest",
            "options": {"target": 0.6},
            "budget": "80%",
            "by_domain": True,
            "sizes_from": "token-prior",
        },
        "mix": {
            "law": "logarithmic",
            "design": {"runs": 4},
            "proxy": {
                "tokenizer": "demo",
                "held_out": 0.2,
                "hidden": 16,
                "heads": 2,
                "length": 32,
                "batch": 4,
                "steps": 4,
            },
            "check_seeds": 1,
        },
        "build": {"tokens": 2000, "shards": 1},
    }
    (room / "job.yaml").write_text(yaml.safe_dump(job))
    curate(site, room, "run", "job.yaml")
    law = json.loads((room / "job/mix/law.json").read_text())["law"]
    assert (law["law"], law["spec"]) == ("logarithmic", {"epsilon": 0.05})
    written = pq.read_table(next((room / "job/dataset/data").glob("*.parquet")))
    assert "varied" in written.column_names


def test_a_broken_plug_in_is_named(site: Path, room: Path) -> None:
    shutil.copytree(site, room / "broken")
    (room / "broken/curate_plugin_example.py").write_text("import nothing_like_this\n")
    assert "ttr" in curate(room / "broken", room, "score", "--help")
    words = ["score", "ttr", "corpus", "--out", "scores"]
    told = curate(room / "broken", room, *words, code=2)
    assert "'ttr' of the package curate-plugin-example cannot be loaded" in told
    assert "No module named 'nothing_like_this'" in told


def test_the_commands_of_its_readme(site: Path, room: Path) -> None:
    text = (ROOT / "examples/plugin/README.md").read_text()
    install, *commands = text.partition("```sh\n")[2].partition("```")[0].splitlines()
    assert install == "pip install ./examples/plugin"
    assert len(commands) == 3
    for command in commands:
        curate(site, room, *command.split()[1:])
    job = yaml.safe_load(text.partition("```yaml\n")[2].partition("```")[0])
    whole = {"out": "job", "corpus": {"inputs": ["corpus"]}, "build": {"tokens": 100}, **job}
    (room / "job.yaml").write_text(yaml.safe_dump(whole))
    code = "import sys; from curate.config import load_pipeline; load_pipeline(sys.argv[1])"
    environment = {**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{ROOT}"}
    subprocess.run([sys.executable, "-c", code, room / "job.yaml"], env=environment, check=True)
