"""Which runs are trained side by side, and the training of one such stack.

stacks/plan.json    runs of each stack that is not finished
stacks/<id>.npz     how far a stack is, see `mixing.proxies.Stack.state`
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from mixing.proxies import Member, ProxySpec, Stack, StackResult, stack_size

from ..files import digest, read_json, versions, whole, write_json
from .proxy_runs import run_file
from .proxy_swarm import Job, Swarm
from .proxy_text import VALIDATION, load_tokens

_AT_LEAST, _SIDE_BY_SIDE = 4, 8
_STEPS_AT_ONCE = 10
_SECONDS_APART = 30.0


@dataclass(frozen=True, kw_only=True)
class Work:
    """One stack: what a process is given.

    Attributes:
        root: directory of the swarm.
        name: of the stack.
        jobs: its members, all on the same text.
        spec: of the proxies.
        measure: steps after which to measure.
        device: of PyTorch.
        domains: all of the corpus.
        targets: those to measure on.
    """

    root: Path
    name: str
    jobs: tuple[Job, ...]
    spec: ProxySpec
    measure: tuple[int, ...]
    device: str
    domains: list[str]
    targets: list[str]


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What became of a stack.

    Attributes:
        name: of the stack.
        runs: names of its members.
        model_steps: done by this process, of all members together.
        diverged: why a member's losses are not used, by run.
    """

    name: str
    runs: list[str]
    model_steps: int
    diverged: dict[str, str]


def plan(
    root: Path, jobs: Sequence[Job], left: Sequence[str], spec: ProxySpec, swarm: Swarm
) -> dict[str, tuple[Job, ...]]:
    """The stacks to train, by name; the same ones after a kill as before it.

    A stack that was planned and is not finished stays as it was, with all its members: the last
    bits of a loss depend on what was trained beside it. The rest is cut up evenly, which depends
    on the machine's memory (``swarm.stack``) but not on how many processes there are.

    Args:
        root: directory of the swarm.
        jobs: all that were asked for.
        left: names of those without a result.
        spec: of the proxies.
        swarm: device, and most members of a stack.
    """
    path, by_name = root / "stacks" / "plan.json", {job.run: job for job in jobs}
    before = read_json(path) if path.exists() else {"stack": swarm.stack, "stacks": {}}
    made: dict[str, tuple[Job, ...]] = {}
    if before["stack"] == swarm.stack:
        for name, runs in before["stacks"].items():
            members = tuple(by_name[run] for run in runs if run in by_name)
            if not {*left}.isdisjoint(runs) and _named(members) == name:
                made[name] = members
    planned = {job.run for members in made.values() for job in members}
    rest = [by_name[run] for run in left if run not in planned]
    for text in dict.fromkeys(job.text for job in rest):
        for members in _pieces([job for job in rest if job.text == text], spec, swarm):
            made[_named(members)] = members
    for file in (root / "stacks").glob("*.npz"):
        if file.stem not in made:
            file.unlink()
    stacks = {name: [job.run for job in members] for name, members in made.items()}
    write_json(path, {"stack": swarm.stack, "stacks": stacks})
    return made


def _named(members: Sequence[Job]) -> str:
    return digest([job.plain() for job in members])[:16]


def _pieces(jobs: list[Job], spec: ProxySpec, swarm: Swarm) -> Iterator[tuple[Job, ...]]:
    """Stacks of nearly equal size; on a CPU enough of them for several processes."""
    most = swarm.stack or stack_size(spec, swarm.device)
    n_stacks = -(-len(jobs) // most)
    if swarm.device == "cpu":
        n_stacks = max(n_stacks, min(_SIDE_BY_SIDE, -(-len(jobs) // _AT_LEAST)))
    ends = [len(jobs) * number // n_stacks for number in range(n_stacks + 1)]
    for first, last in pairwise(ends):
        yield tuple(jobs[first:last])


def train(work: Work) -> Trained:
    """Train a stack from where it is, and write what each member measured.

    One thread of PyTorch, so that sums do not depend on the number of cores.
    """
    checkpoint = work.root / "stacks" / f"{work.name}.npz"
    # A worker whose parent was killed may still hold the stack: it lets go of it soon.
    with FileLock(checkpoint.with_name(f".{work.name}.lock")), _one_thread():
        stack = _stack(work)
        if checkpoint.exists():
            with np.load(checkpoint, allow_pickle=False) as state:
                stack.restore(dict(state))
        first, saved = stack.step, time.monotonic()
        while not stack.finished and not _orphaned():
            stack.advance(_STEPS_AT_ONCE)
            if time.monotonic() - saved >= _SECONDS_APART:
                with whole(checkpoint) as temporary, temporary.open("wb") as file:
                    np.savez(file, allow_pickle=False, **stack.state())
                saved = time.monotonic()
        runs = [job.run for job in work.jobs]
        n_done = (stack.step - first) * len(runs)
        if not stack.finished:
            os._exit(1)  # an orphan: there is nobody to hand a result to, nor to end the process
        result = stack.result()
        for place, job in enumerate(work.jobs):
            write_json(run_file(work.root, job), _record(work, job, place, result))
        checkpoint.unlink(missing_ok=True)
    reasons = zip(runs, result.diverged, strict=True)
    return Trained(
        name=work.name,
        runs=runs,
        model_steps=n_done,
        diverged={run: why for run, why in reasons if why},
    )


def step_of(root: Path, name: str) -> int:
    """The step of a stack that is not finished, by its checkpoint; 0 where it has none yet."""
    try:
        with np.load(root / "stacks" / f"{name}.npz", allow_pickle=False) as state:
            return int(state["step"])
    except (OSError, ValueError, KeyError):
        return 0


def _stack(work: Work) -> Stack:
    training = load_tokens(work.root, work.jobs[0].text, len(work.domains))
    validation = load_tokens(work.root, VALIDATION, len(work.domains))
    return Stack(
        work.spec,
        [Member(schedule=job.schedule, seed=job.seed) for job in work.jobs],
        training,
        [validation[work.domains.index(target)] for target in work.targets],
        measure=work.measure,
        device=work.device,
    )


def _record(work: Work, job: Job, place: int, result: StackResult) -> dict[str, Any]:
    """One finished run, its whole curve included."""
    curves = result.losses[place].T.tolist()
    return {
        "job": job.plain(),
        "spec": asdict(work.spec),
        "steps": result.steps.tolist(),
        "losses": {
            target: [_finite(loss) for loss in curve]
            for target, curve in zip(work.targets, curves, strict=True)
        },
        "epochs": dict(zip(work.domains, result.epochs[place].tolist(), strict=True)),
        "training_loss": _finite(float(result.training_loss[place])),
        "diverged": result.diverged[place],
        "versions": versions(),
    }


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None


def _orphaned() -> bool:
    """Whether the process that started this one is gone."""
    parent = multiprocessing.parent_process()
    return parent is not None and not parent.is_alive()


@contextmanager
def _one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
