"""Swarms on a selection: nothing depends on how or when runs were trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from curate.corpus import Corpus
from curate.curves import Curves
from curate.engines import Local
from curate.errors import ConfigError
from curate.progress import Note, Update
from curate.runs import RunTable
from curate.stages import proxy_stacks
from curate.stages.mix import design, fit, optimize
from curate.stages.proxies import (
    BEFORE,
    KEPT,
    Job,
    Swarm,
    over_all,
    run,
    run_design,
    run_jobs,
)
from curate.stages.proxy_swarm import measured_steps
from curate.stages.score import score
from curate.stages.select import select
from curate.stages.selection import Selection
from mixing.proxies import SIZES, Member, ProxySpec, Stack
from scorers.tokenizer import Tokenizer
from tests.conftest import WriteShard, some_text
from tests.unit.test_score import Length, contents

TINY: dict[str, Any] = {
    "held_out": 0.3,
    "hidden": 16,
    "heads": 2,
    "length": 16,
    "batch": 2,
    "steps": 12,
    "measures": 3,
    "stack": 3,
}


@pytest.fixture
def corpus(write_shard: WriteShard, tmp_path: Path) -> Corpus:
    """Three domains, of one of which nothing is kept."""
    for domain, words in (("long", 60), ("longer", 70), ("short", 1)):
        texts = ["x" if words == 1 else some_text(i, words) for i in range(40)]
        write_shard(f"{domain}/a.jsonl", texts, id=[f"{domain}{i}" for i in range(40)])
    return selected(tmp_path, "60docs")


def selected(root: Path, budget: str) -> Corpus:
    found = Corpus(inputs=(str(root / "corpus"),))
    score(found, Length(), root / "scores")
    select(root / "scores/length", root / "sel", method="top-k", budget=budget)
    return found


@pytest.fixture
def swarm(tiny_model: str) -> Swarm:
    return Swarm.of(tokenizer=tiny_model, **TINY)


def write_design(path: Path, *mixtures: tuple[float, float]) -> Path:
    rows = [f"{i:03d},{a},{b}" for i, (a, b) in enumerate(mixtures)]
    path.write_text("\n".join(["run,share/long,share/longer", *rows]) + "\n")
    return path


@pytest.fixture
def planned(tmp_path: Path) -> Path:
    shares = (0.0, 0.25, 0.5, 0.75, 1.0)
    return write_design(tmp_path / "design.csv", *((a, 1 - a) for a in shares))


def results(root: Path) -> dict[str, str]:
    return {k: v for k, v in contents(root).items() if k.startswith("runs")}


def test_a_swarm_with_a_domain_of_which_nothing_is_left(
    corpus: Corpus, tmp_path: Path, swarm: Swarm
) -> None:
    chosen = Selection(tmp_path / "sel")
    assert (chosen.domains, chosen.all_domains) == (["long", "longer"], ["long", "longer", "short"])
    assert design(tmp_path / "sel", tmp_path / "d.csv", runs=4).domains == chosen.domains
    where = (tmp_path / "sel", corpus, tmp_path / "out")
    finished = run(tmp_path / "d.csv", *where, swarm=swarm, engine=Local(1))
    assert finished.losses.shape == (4, 2)
    assert not (tmp_path / "out/stacks").exists()
    fit(tmp_path / "out/runs.parquet", tmp_path / "law.json", law="linear")
    mixture = optimize(
        tmp_path / "law.json", tmp_path / "sel", tmp_path / "mixture.json", tokens=1000
    )
    assert list(mixture["unfiltered"]) == ["long", "longer", "short"]
    for domain, share in mixture["mixture"].items():
        column = finished.mixtures[:, finished.domains.index(domain)]
        assert column.min() - 1e-9 <= share <= column.max() + 1e-9
    assert over_all(chosen, mixture["mixture"]).mean[2] == 0
    schedule = over_all(chosen, {"long": 0.5, "short": 0.5})
    runs = run_jobs(
        [Job(run="u", text=BEFORE, schedule=schedule)], *where, swarm=swarm, engine=Local(1)
    )
    assert runs.losses.shape == (1, 2)
    assert runs.epochs[0, 2] > runs.epochs[0, 1] == 0
    runs.write(tmp_path / "u.parquet")
    assert Curves.read(tmp_path / "u.parquet").domains == ["long", "longer", "short"]


def test_curves_of_a_design(corpus: Corpus, tmp_path: Path, swarm: Swarm, planned: Path) -> None:
    where = (tmp_path / "sel", corpus, tmp_path / "out")
    runs = run_design(planned, *where, swarm=swarm, engine=Local(1))
    curves = Curves.read(tmp_path / "out/runs.parquet")
    assert curves.steps(0).tolist() == [1, 3, 12] == runs.steps.tolist()
    assert curves.mixtures[:, 0].tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert np.array_equal(np.array(curves.all_losses), runs.curves)
    assert {*curves.parameters.tolist()} == {swarm.proxy.n_parameters} == {runs.parameters}
    assert {*curves.tokens_per_step.tolist()} == {32.0}
    table = RunTable.read(tmp_path / "out/runs.parquet")
    assert np.array_equal(table.losses, runs.losses)
    assert table.covariates(["tokens"])[:, 0].tolist() == [12 * 32] * 5
    # A domain with a share of zero is never read, and learned worse than where it is all.
    assert (runs.epochs[0, 0], runs.epochs[4, 1]) == (0, 0)
    assert runs.epochs[0, 1] > 0


def test_seeds_and_a_design_that_was_extended(corpus: Corpus, tmp_path: Path, swarm: Swarm) -> None:
    few = write_design(tmp_path / "few.csv", (0.5, 0.5), (1, 0))
    more = write_design(tmp_path / "more.csv", (0.5, 0.5), (1, 0), (0, 1))
    where = (tmp_path / "sel", corpus, tmp_path / "out")
    first = run_design(few, *where, swarm=swarm, engine=Local(1))
    before = results(tmp_path / "out")
    every = run_design(more, *where, swarm=swarm, seeds=2, engine=Local(1))
    names = ["000", "000-s1", "001", "001-s1", "002", "002-s1"]
    assert [job.run for job in every.jobs] == names
    assert Curves.read(tmp_path / "out/runs.parquet").seeds.tolist() == [0, 1] * 3
    after = results(tmp_path / "out")
    assert all(after[name] == before[name] for name in before if name != "runs.parquet")
    assert every.model_steps == 4 * 12
    assert np.array_equal(every.curves[[0, 2]], first.curves)
    assert not np.array_equal(every.curves[0], every.curves[1])
    again = run_design(more, *where, swarm=swarm, seeds=2, engine=Local(1))
    assert again.model_steps == 0
    other = write_design(tmp_path / "other.csv", (0.4, 0.6))
    with pytest.raises(ConfigError, match="another configuration"):
        run_design(other, *where, swarm=swarm, engine=Local(1))


def test_two_processes_give_the_same_bytes_as_one(
    corpus: Corpus, tmp_path: Path, swarm: Swarm, planned: Path
) -> None:
    for workers in (1, 2):
        out = tmp_path / f"workers{workers}"
        run(planned, tmp_path / "sel", corpus, out, swarm=swarm, engine=Local(workers))
    assert contents(tmp_path / "workers1") == contents(tmp_path / "workers2")


class Stopped(BaseException):
    """As a kill would: nothing catches it."""


def stop_at(monkeypatch: pytest.MonkeyPatch, n_steps: int) -> None:
    """End the process, so to speak, after so many steps of all stacks."""
    advance, left = Stack.advance, [n_steps]

    def stopping(self: Stack, n: int) -> None:
        if left[0] <= 0:
            raise Stopped
        left[0] -= n
        advance(self, n)

    monkeypatch.setattr(Stack, "advance", stopping)


@pytest.mark.parametrize("at_once", [1, 5])
def test_stopped_in_the_middle_of_a_stack_the_same_bytes(
    corpus: Corpus,
    tmp_path: Path,
    swarm: Swarm,
    planned: Path,
    monkeypatch: pytest.MonkeyPatch,
    at_once: int,
) -> None:
    where = (planned, tmp_path / "sel", corpus)
    run(*where, tmp_path / "whole", swarm=swarm, engine=Local(1))
    monkeypatch.setattr(proxy_stacks, "_SECONDS_APART", 0.0)
    monkeypatch.setattr(proxy_stacks, "_STEPS_AT_ONCE", at_once)
    for n_steps in (5, 12):  # in the first stack, and in the second
        with monkeypatch.context() as patch, pytest.raises(Stopped):
            stop_at(patch, n_steps)
            run(*where, tmp_path / "stopped", swarm=swarm, engine=Local(1))
        assert [*(tmp_path / "stopped/stacks").glob("*.npz")]
    finished = run_design(*where, tmp_path / "stopped", swarm=swarm, engine=Local(1))
    assert 0 < finished.model_steps < 12 * 3
    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")


def test_stopped_while_runs_are_written_the_same_bytes(
    corpus: Corpus,
    tmp_path: Path,
    swarm: Swarm,
    planned: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    where = (planned, tmp_path / "sel", corpus)
    run(*where, tmp_path / "whole", swarm=swarm, engine=Local(1))
    write = proxy_stacks.write_json

    def stopping(path: Path, value: Any) -> None:
        if path.name == "001.json":
            raise Stopped
        write(path, value)

    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(proxy_stacks, "write_json", stopping)
        run(*where, tmp_path / "stopped", swarm=swarm, engine=Local(1))
    assert [path.name for path in (tmp_path / "stopped/runs").iterdir()] == ["000.json"]
    run(*where, tmp_path / "stopped", swarm=swarm, engine=Local(1))
    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")


def test_a_diverged_member_is_told_and_left_out(
    corpus: Corpus,
    tmp_path: Path,
    swarm: Swarm,
    planned: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def member(schedule: Any, seed: int) -> Member:
        return Member(schedule=schedule, seed=seed, learning_rate=1e30 if seed else None)

    where = (tmp_path / "sel", corpus)
    alone = run_design(planned, *where, tmp_path / "alone", swarm=swarm, engine=Local(1))
    monkeypatch.setattr(proxy_stacks, "Member", member)
    said: list[Update] = []
    runs = run_design(
        planned,
        *where,
        tmp_path / "out",
        swarm=swarm,
        seeds=2,
        engine=Local(1),
        progress=said.append,
    )
    diverged = [f"{i:03d}-s1" for i in range(5)]
    assert [*runs.diverged] == diverged
    notes = [one for one in said if isinstance(one, Note)]
    assert all(any(f"{name} diverged" in one.text for one in notes) for name in diverged)
    assert np.isnan(runs.losses[1::2]).all()
    assert np.abs(runs.losses[::2] - alone.losses).max() < 1e-4
    table = RunTable.read(tmp_path / "out/runs.parquet")
    assert table.names == [f"{i:03d}" for i in range(5)]
    assert np.isfinite(table.losses).all()
    curves = Curves.read(tmp_path / "out/runs.parquet")
    assert curves.diverged == runs.diverged
    assert "learning rate" in curves.diverged["000-s1"]
    again = run_design(planned, *where, tmp_path / "out", swarm=swarm, seeds=2, engine=Local(1))
    assert again.diverged == runs.diverged
    wild = Swarm.of(tokenizer=swarm.tokenizer, **TINY, learning_rate=1e30)
    with pytest.raises(ConfigError, match="every run diverged"):
        run_design(planned, *where, tmp_path / "wild", swarm=wild, engine=Local(1))


def test_too_little_to_judge_by_can_be_corrected_in_place(
    corpus: Corpus, tmp_path: Path, planned: Path
) -> None:
    arguments = (planned, tmp_path / "sel", corpus, tmp_path / "out")
    little = Swarm.of(**{**TINY, "held_out": 0.001, "tokenizer": "corpus", "vocabulary": 300})
    with pytest.raises(ConfigError, match="tokens of validation text; proxies need 500"):
        run(*arguments, swarm=little, engine=Local(1))
    enough = Swarm.of(**TINY, tokenizer="corpus", vocabulary=310)
    assert run(*arguments, swarm=enough, engine=Local(1)).losses.shape == (5, 2)
    tokenizer = Tokenizer(model=str(tmp_path / "out/tokenizer"))
    assert tokenizer.size == 310
    assert tokenizer.encode(["Grüße, 世界 <s>"])[0][0] > 1
    run(*arguments[:3], tmp_path / "again", swarm=enough, engine=Local(1))
    assert contents(tmp_path / "again") == contents(tmp_path / "out")


def test_steps_that_are_measured() -> None:
    spec = ProxySpec(n_vocabulary=2, steps=1000, warm_up=0.1)
    assert measured_steps(spec, 3) == (100, 316, 1000)
    assert measured_steps(spec, 1) == (1000,)
    assert measured_steps(ProxySpec(n_vocabulary=2, steps=3), 10) == (1, 2, 3)
    assert measured_steps(ProxySpec(n_vocabulary=2, steps=1), 4) == (1,)


def test_size_and_tokens_of_a_swarm() -> None:
    assert Swarm.of(size="1M").proxy.hidden == SIZES["1M"][0]
    assert Swarm.of(size=1_000_000) == Swarm.of(size="1m") == Swarm.of(size="1M")
    assert Swarm.of(tokens="1M", batch=4, length=32).proxy.steps == 1_000_000 // 128
    assert Swarm.of(tokenizer="corpus").vocabulary == 2048
    assert Swarm.of(stack=2).config() == Swarm.of(stack=5).config()
    for options, said in (
        ({"size": "2M"}, "No proxy has the size '2M'. Sizes are 0.1M, .*100M"),
        ({"size": "big"}, "No proxy has the size 'big'"),
        ({"size": "1M", "layers": 2}, "leave out 'layers', or 'size'"),
        ({"tokens": "1M", "steps": 3}, "give it or 'steps', not both"),
        ({"tokens": 100}, "at least one step of 8 sequences of 64 tokens. Got 100"),
        ({"vocabulary": 500}, "Leave it out"),
        ({"tokenizer": "corpus", "vocabulary": 100}, "must be at least 258"),
        ({"device": "gpu"}, "'device' must be cpu, cuda or cuda:N. Got 'gpu'"),
        ({"measures": 0}, "'measures' must be at least 1"),
        ({"stak": 3}, "Did you mean 'stack'"),
        ({"schedule": "linear"}, "'schedule' of ProxySpec must be one of"),
    ):
        with pytest.raises(ConfigError, match=said):
            Swarm.of(**options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there(corpus: Corpus, tmp_path: Path, planned: Path) -> None:
    with pytest.raises(ConfigError, match="sees no GPU for the device 'cuda'"):
        run(planned, tmp_path / "sel", corpus, tmp_path / "out", swarm=Swarm.of(device="cuda"))


@pytest.mark.parametrize("name", ["../x", "a/b", ".hidden", "", "x" * 201])
def test_names_that_are_no_file_names(corpus: Corpus, tmp_path: Path, name: str) -> None:
    half = over_all(Selection(tmp_path / "sel"), {"long": 1.0})
    jobs = [Job(run=name, text=KEPT, schedule=half)]
    with pytest.raises(ConfigError, match="A run's name is that of its file"):
        run_jobs(jobs, tmp_path / "sel", corpus, tmp_path / "out", swarm=Swarm.of())
    with pytest.raises(ConfigError, match="Two runs are named 'a'"):
        run_jobs(
            [Job(run="a", text=KEPT, schedule=half)] * 2,
            tmp_path / "sel",
            corpus,
            tmp_path / "out",
            swarm=Swarm.of(),
        )


def test_a_run_holds_its_whole_curve(
    corpus: Corpus, tmp_path: Path, swarm: Swarm, planned: Path
) -> None:
    run(planned, tmp_path / "sel", corpus, tmp_path / "out", swarm=swarm, engine=Local(1))
    record = json.loads((tmp_path / "out/runs/001.json").read_text())
    assert record["steps"] == [1, 3, 12]
    assert [len(curve) for curve in record["losses"].values()] == [3, 3]
    assert (record["diverged"], record["job"]["run"]) == (None, "001")
    schema = pq.read_schema(tmp_path / "out/runs.parquet")
    assert schema.names == [
        "run", "share/long", "share/longer", "parameters", "tokens", "step", "seed", "domain",
        "loss",
    ]  # fmt: skip
