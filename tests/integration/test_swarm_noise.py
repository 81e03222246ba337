"""A swarm on a corpus whose answer is known: the domain of noise gets nothing, and that is better.

Two domains are text that repeats itself by a rule, and both count; the third is random characters
that occur nowhere else, and counts for nothing. What it is given is taken from the others.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curate.cli import main
from tests.tiny import make_tokenizer

WORDS = {
    "clay": "potter turns wet clay into bowl then glaze fires hot until cups cool",
    "sea": "the old boat drifts past rock and sand under wind toward some far shore",
}
NOISE = list("QXZJVKWY0123456789")
N_DOCUMENTS = 60
SWARM = (
    "--held-out .2 --hidden 32 --layers 1 --heads 2 --length 32 --batch 8 --steps 60 "
    "--learning-rate .005 --workers 1"
)


def structured(words: list[str], rng: np.random.Generator) -> str:
    """Each word is followed by one of two others, which its place decides."""
    places = [int(rng.integers(len(words)))]
    for jump in rng.random(39) < 0.25:
        places.append((3 * places[-1] + (5 if jump else 1)) % len(words))
    return " ".join(words[place] for place in places)


def noise(rng: np.random.Generator) -> str:
    return " ".join("".join(rng.choice(NOISE, 5)) for _ in range(25))


def write(root: Path) -> None:
    """A corpus of three domains of about the same number of tokens."""
    rng = np.random.default_rng(0)
    for domain in ("clay", "noise", "sea"):
        texts = [
            noise(rng) if domain == "noise" else structured(WORDS[domain].split(), rng)
            for _ in range(N_DOCUMENTS)
        ]
        lines = [
            json.dumps({"id": f"{domain}{number}", "text": text})
            for number, text in enumerate(texts)
        ]
        (root / domain).mkdir(parents=True)
        (root / domain / "a.jsonl").write_text("\n".join(lines) + "\n")


def curate(line: str) -> None:
    """Run a command that should succeed."""
    with pytest.raises(SystemExit) as ended:
        main(line.split())
    assert not ended.value.code


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of it, from the corpus to the proof."""
    root = tmp_path_factory.mktemp("noise")
    write(root / "corpus")
    (root / "tokenizer").mkdir()
    make_tokenizer(root / "tokenizer", template="<s> $A")
    corpus, swarm = f"--corpus {root}/corpus", f"--tokenizer {root}/tokenizer {SWARM}"
    chosen = f"--selection {root}/selection"
    curate(f"score token-prior {root}/corpus --tokenizer {root}/tokenizer --out {root}/scores")
    curate(f"select random --scores {root}/scores/token-prior --budget 100% --out {root}/selection")
    curate(f"mix design {chosen} --runs 20 --out {root}/design.csv")
    curate(f"mix run {root}/design.csv {corpus} {chosen} {swarm} --out {root}/runs")
    curate(f"mix fit {root}/runs/runs.parquet --law additive --out {root}/law.json")
    # So few tokens that nothing has to be repeated: the runs alone limit the shares.
    curate(
        f"mix optimize {root}/law.json {chosen} --tokens 8K --weight clay=.5 --weight sea=.5 "
        f"--out {root}/mixture.json"
    )
    curate(
        f"mix verify {root}/law.json {corpus} {chosen} --mixture {root}/mixture.json --random 1 "
        f"{swarm} --out {root}/verified"
    )
    return root


@pytest.fixture(scope="module")
def proof(done: Path) -> dict[str, Any]:
    (found,) = json.loads((done / "verified/verify.json").read_text())["proposals"]
    return found


def test_noise_gets_no_more_than_in_the_run_that_had_least(done: Path) -> None:
    mixture = json.loads((done / "mixture.json").read_text())
    rows = (done / "design.csv").read_text().splitlines()
    place = rows[0].split(",").index("share/noise")
    least = min(float(row.split(",")[place]) for row in rows[1:])
    assert mixture["mixture"]["noise"] == pytest.approx(least, abs=0.01)
    assert least < 0.1
    assert mixture["proportional"]["noise"] > 0.25


def test_the_proposal_beats_uniform_beyond_the_noise_of_the_seeds(proof: dict[str, Any]) -> None:
    label = next(label for label in proof["gains"] if "uniform" in label)
    gain = proof["gains"][label]
    assert gain["verdict"] == "better"
    assert gain["observed"] > 0.1
    assert gain["observed_interval"][0] > 0.05
    assert gain["n_seeds"] == 3


def test_the_law_ranked_what_was_trained(proof: dict[str, Any]) -> None:
    assert proof["rank"] == 1
    assert proof["spearman"] > 0.5
    assert 0.1 < proof["steps_to_match"]["share"] < 0.95


def test_noise_is_not_learned_and_the_rest_is(done: Path) -> None:
    from curate.curves import Curves

    curves = Curves.read(done / "runs/runs.parquet")
    last = np.array([curves.losses(run)[-1] for run in range(len(curves.runs))])
    # Of six characters five are drawn, and the sixth is a space.
    entropy = 5 / 6 * np.log(len(NOISE))
    places = [curves.targets.index(name) for name in ("clay", "noise", "sea")]
    assert last[:, places[1]].min() > entropy
    assert np.median(last[:, [places[0], places[2]]]) < entropy
