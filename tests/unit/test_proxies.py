"""Proxies: shares kept to within one sequence, the same bits every time, and a loss that learns."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.corpus import Corpus
from curate.errors import ConfigError
from curate.stages.mix import design, fit, optimize
from curate.stages.proxies import Job, Swarm, over_all, run, run_jobs
from curate.stages.score import score
from curate.stages.select import select
from curate.stages.selection import Selection
from mixing.proxies import MixtureStream, ProxySpec, train_proxy
from tests.conftest import WriteShard, some_text
from tests.unit.test_score import Length


@settings(deadline=None)
@given(
    shares=st.lists(st.integers(0, 20), min_size=1, max_size=5).filter(any), n=st.integers(1, 60)
)
def test_shares_are_kept_within_one_sequence(shares: list[int], n: int) -> None:
    mixture = np.array(shares) / sum(shares)
    stream = MixtureStream([np.arange(50)] * len(shares), mixture, 10)
    list(stream.batches(n, 1))
    assert abs(stream.n_sequences - n * mixture).max() <= 1 + 1e-9
    assert not stream.n_sequences[mixture == 0].any()


def test_a_domain_is_read_in_order_and_then_again() -> None:
    stream = MixtureStream([np.arange(7)], np.ones(1), 3, start=0.5)
    (batch,) = stream.batches(1, 4)
    assert batch.tolist() == [[3, 4, 5], [6, 0, 1], [2, 3, 4], [5, 6, 0]]
    assert stream.epochs.tolist() == [12 / 7]


def test_a_domain_shorter_than_a_sequence() -> None:
    with pytest.raises(ValueError, match="Domain 1 has 5 tokens; a sequence needs 10"):
        MixtureStream([np.arange(50), np.arange(5)], np.array([0.5, 0.5]), 10)
    MixtureStream([np.arange(50), np.arange(5)], np.array([1.0, 0.0]), 10)


def test_a_proxy_learns_what_it_is_trained_on_and_repeats_itself() -> None:
    rng = np.random.default_rng(0)
    domains = [np.tile(rng.integers(0, 50, 11), 200), np.tile(rng.integers(0, 50, 13), 200)]
    spec = ProxySpec(n_vocabulary=50, hidden=16, heads=2, layers=1, length=16, batch=8, steps=60)
    first, second = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    one, other = (train_proxy(spec, domains, domains, mixture) for mixture in (first, second))
    assert one.losses[0] < 1 < one.losses[1]
    assert other.losses[1] < 1 < other.losses[0]
    again = train_proxy(spec, domains, domains, first)
    assert again.losses.tobytes() == one.losses.tobytes()
    assert one.epochs.tolist() == [60 * 8 * 16 / len(domains[0]), 0.0]


def test_specs_that_make_no_sense() -> None:
    with pytest.raises(ValueError, match="'hidden' of ProxySpec must be a multiple of 'heads'"):
        ProxySpec(n_vocabulary=10, hidden=10, heads=3)
    with pytest.raises(ValueError, match="'steps' of ProxySpec must be at least 1"):
        ProxySpec(n_vocabulary=10, steps=0)


@pytest.fixture
def selection(write_shard: WriteShard, tmp_path: Path) -> Corpus:
    """Three domains, of one of which nothing is kept."""
    for domain, words in (("long", 60), ("longer", 70), ("short", 1)):
        texts = ["x" if words == 1 else some_text(i, words) for i in range(40)]
        write_shard(f"{domain}/a.jsonl", texts, id=[f"{domain}{i}" for i in range(40)])
    corpus = Corpus(inputs=(str(tmp_path / "corpus"),))
    score(corpus, Length(), tmp_path / "scores")
    select(tmp_path / "scores/length", tmp_path / "sel", method="top-k", budget="60docs")
    return corpus


def test_a_swarm_with_a_domain_of_which_nothing_is_left(
    selection: Corpus, tmp_path: Path, tiny_model: str
) -> None:
    chosen = Selection(tmp_path / "sel")
    assert (chosen.domains, chosen.all_domains) == (["long", "longer"], ["long", "longer", "short"])
    swarm = Swarm.of(
        tokenizer=tiny_model, held_out=0.3, hidden=16, heads=2, length=16, batch=2, steps=3
    )
    table = design(tmp_path / "sel", tmp_path / "design.csv", runs=4)
    assert table.domains == ["long", "longer"]
    finished = run(
        tmp_path / "design.csv",
        tmp_path / "sel",
        selection,
        tmp_path / "runs",
        swarm=swarm,
        workers=1,
    )
    assert finished.losses.shape == (4, 2)
    fit(tmp_path / "runs/runs.csv", tmp_path / "law.json", law="linear")
    mixture = optimize(
        tmp_path / "law.json", tmp_path / "sel", tmp_path / "mixture.json", tokens=1000
    )
    assert list(mixture["unfiltered"]) == ["long", "longer", "short"]
    assert sum(mixture["unfiltered"].values()) == pytest.approx(1)
    for domain, share in mixture["mixture"].items():
        column = finished.mixtures[:, finished.domains.index(domain)]
        assert column.min() - 1e-9 <= share <= column.max() + 1e-9
    assert over_all(chosen, mixture["mixture"])[2] == 0
    unfiltered = Job(run="u", text="before", mixture=over_all(chosen, {"long": 0.5, "short": 0.5}))
    losses = run_jobs(
        [unfiltered], tmp_path / "sel", selection, tmp_path / "runs", swarm=swarm, workers=1
    )
    assert losses.shape == (1, 2)
    record = json.loads((tmp_path / "runs/runs/u.json").read_text())
    assert record["epochs"]["short"] > record["epochs"]["longer"] == 0


def test_too_little_to_judge_by_can_be_corrected_in_place(
    selection: Corpus, tmp_path: Path, tiny_model: str
) -> None:
    design(tmp_path / "sel", tmp_path / "design.csv", runs=2)
    for held_out in (0.001, 0.3):
        swarm = Swarm.of(
            tokenizer=tiny_model, held_out=held_out, hidden=8, heads=2, length=16, batch=2, steps=1
        )
        arguments = (tmp_path / "design.csv", tmp_path / "sel", selection, tmp_path / "runs")
        if held_out < 0.01:
            with pytest.raises(ConfigError, match="tokens of validation text; proxies need 500"):
                run(*arguments, swarm=swarm, workers=1)
        else:
            assert run(*arguments, swarm=swarm, workers=1).losses.shape == (2, 2)
