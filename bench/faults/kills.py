"""SIGKILL, SIGTERM and Ctrl-C at moments spread over the work, and clocks that jump beside it."""

from __future__ import annotations

import random
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from .child import Run, World
from .job import Job, Outcome, Stage

STOPPED = 130
_SAYS = "it goes on where it stopped"
_LONGEST = 300.0


def moments(n: int, seed: int) -> list[float]:
    """Shares of a run's duration, one in each n-th of it."""
    rng = random.Random(seed)
    return [(i + rng.random()) / n for i in range(n)]


def killed(
    job: Job, stage: Stage, at: float, number: int, *, worlds: tuple[World, World]
) -> Outcome:
    """Kill a stage at a share of its duration, start it again, and compare.

    Args:
        job: what it belongs to.
        stage: what is killed.
        at: share of its undisturbed duration; sooner, where it is done by then.
        number: of the try, for the names of files.
        worlds: of the run that is killed, and of the one that goes on.
    """
    outcome = Outcome(f"{stage.name} killed at {at:.0%} ({number})")
    out = job.room / "killed" / f"{stage.name}-{number}"
    first = _disturbed(job, stage, at, out, worlds[0], lambda run: run.kill())
    outcome.expect(first is not None, "was never caught at work")
    _again(job, stage, out, outcome, worlds[1])
    return outcome


def asked(job: Job, stage: Stage, at: float, which: signal.Signals) -> Outcome:
    """Ask a stage to stop: it says how to go on, ends with 130, and does go on."""
    outcome = Outcome(f"{stage.name}, {which.name} at {at:.0%}")
    out = job.room / "asked" / f"{stage.name}-{which.name}-{at:.3f}"
    run = _disturbed(job, stage, at, out, stage.world, lambda run: run.send(which))
    if run is not None and run.wait(_LONGEST) == -which:  # before the command had begun
        shutil.rmtree(out, ignore_errors=True)
        run = _disturbed(job, stage, (1 + at) / 2, out, stage.world, lambda run: run.send(which))
    if run is None:
        outcome.problems.append("was never caught at work")
    else:
        code = run.wait(_LONGEST)
        outcome.expect(code == STOPPED, f"exit code {code} in place of {STOPPED}")
        outcome.expect(_SAYS in " ".join(run.printed.split()), "does not say how to go on")
        outcome.expect("Traceback" not in run.printed, "printed a traceback")
    _again(job, stage, out, outcome, stage.world)
    return outcome


def refused(job: Job, stage: Stage) -> Outcome:
    """Start a second run on the same output: it ends with 2, the first with the right bytes."""
    outcome = Outcome(f"two runs of {stage.name}")
    out = job.room / "two" / stage.name
    out.parent.mkdir(parents=True, exist_ok=True)
    first = Run(stage.to(out), out.parent / f"{stage.name}-first.log", stage.world)
    while first.wait(0.0) is None and not any(map(_is_held, out.rglob(".lock"))):
        time.sleep(0.001)
    first.send(signal.SIGSTOP)  # or it might be done before the second has begun
    second = Run(stage.to(out), out.parent / f"{stage.name}-second.log", stage.world)
    outcome.expect(second.wait() == 2, f"the second was not refused: {second.printed[-200:]}")
    outcome.expect("another run is writing there" in second.printed, "it does not say why")
    first.send(signal.SIGCONT)
    outcome.expect(first.wait() == 0, f"the first failed: {first.printed[-200:]}")
    job.judge(outcome, stage.name, out)
    return outcome


def _is_held(lock: Path) -> bool:
    """Whether some process holds the lock: the file is there a moment before that."""
    held = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    return any(line.split()[5].endswith(f":{lock.stat().st_ino}") for line in held)


def _disturbed(
    job: Job, stage: Stage, at: float, out: Path, world: World, disturb: Callable[[Run], None]
) -> Run | None:
    """A run that was disturbed while it was at work; sooner each time it was done already."""
    out.parent.mkdir(parents=True, exist_ok=True)
    for attempt in range(6):
        place = out if attempt == 0 else out.with_name(f"{out.name}-{attempt}")
        run = Run(stage.to(place), out.with_name(f"{out.name}.log"), world)
        if run.wait(at * 0.7**attempt * job.seconds[stage.name]) is None:
            disturb(run)
            if run.wait(_LONGEST) != 0:
                if place != out:
                    _exchange(place, out)
                return run
    return None


def _exchange(place: Path, out: Path) -> None:
    """Put what was disturbed where it is looked for; of a run without output there is nothing."""
    out.rename(out.with_name(f"{out.name}-done"))
    if place.exists():
        place.rename(out)


def _again(job: Job, stage: Stage, out: Path, outcome: Outcome, world: World) -> None:
    run = Run(stage.to(out), out.with_name(f"{out.name}.again.log"), world)
    code = run.wait(_LONGEST)
    outcome.expect(code == 0, f"started again, it ended with {code}: {run.printed[-300:]}")
    job.judge(outcome, stage.name, out)


def clocks(job: Job, stage: Stage, at: float, number: int) -> Outcome:
    """As `killed`, with a clock that runs a day ahead at each look, then back."""
    day = 86_400.0
    worlds = replace(stage.world, clock=day), replace(stage.world, clock=-day)
    return killed(job, stage, at, number, worlds=worlds)
