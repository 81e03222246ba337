"""What `bench.faults` does, on a few moments: whatever stops a run, the next one ends the same."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from bench.faults import disks, kills, others
from bench.faults.child import Run
from bench.faults.job import Job, Outcome

pytestmark = pytest.mark.skipif(
    not hasattr(signal, "SIGKILL"), reason="kills processes as POSIX does"
)
STAGES = ("token-prior", "select", "build")


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    return Job(tmp_path_factory.mktemp("job"), 150, only=STAGES)


def check(outcome: Outcome) -> None:
    assert not outcome.problems
    assert outcome.bytes_differ == outcome.documents_lost == 0


@pytest.mark.parametrize("name", STAGES)
def test_killed_at_any_moment(job: Job, name: str) -> None:
    stage = job.stages[name]
    for number, at in enumerate(kills.moments(3, seed=1)):
        worlds = (stage.world, stage.world)
        check(kills.killed(job, stage, at, number, worlds=worlds))


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop(job: Job, which: signal.Signals) -> None:
    check(kills.asked(job, job.stages["token-prior"], 0.5, which))


def test_a_clock_that_jumps(job: Job) -> None:
    check(kills.clocks(job, job.stages["token-prior"], 0.5, 100))


def test_a_second_run_is_refused(job: Job) -> None:
    check(kills.refused(job, job.stages["token-prior"]))


def test_a_disk_that_is_full(job: Job) -> None:
    check(disks.too_large(job, job.stages["token-prior"], 0.3))


@pytest.mark.parametrize("kind", others.MOODS)
def test_a_model_in_a_mood(job: Job, kind: str) -> None:
    check(others.mood(job, kind))


@pytest.mark.parametrize("finished", [False, True])
def test_a_corpus_that_changed_without_a_trace(job: Job, finished: bool) -> None:
    check(others.changed(job, job.stages["token-prior"], finished=finished))


def test_a_difference_would_be_seen(job: Job, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert Run(job.stages["build"].to(out), tmp_path / "log").wait() == 0
    for spoil, n_lost in ((lambda path: path.unlink(), True), (lambda path: path.touch(), False)):
        outcome = Outcome("spoilt")
        spoil(next(out.rglob("*.parquet")) if n_lost else out / "left.tmp")
        job.judge(outcome, "build", out)
        assert outcome.problems
        assert outcome.bytes_differ >= 1
        assert outcome.documents_lost > 0
