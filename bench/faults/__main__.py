"""Does anything that happens to a run lose a document, or change a byte of what it writes?

Every stage of a small job runs undisturbed; then it is killed, asked to stop, run out of disk,
given models in bad moods, and started again, and what it leaves is compared byte by byte.

    python -m bench.faults [--size small|large] [--jobs 2] [--seed 0]
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from ..report import finish
from . import disks, kills, others
from .job import Job, Outcome, Tally

Deed = Callable[[], Outcome]


@dataclass(frozen=True)
class Size:
    """How much is done.

    Attributes:
        documents: in each of nine shards.
        kills: moments, by stage.
        signals: moments of each signal, by stage.
        rooms: shares of what a stage writes that there is room for.
        bad_shards: cases of the fuzz of readers.
    """

    documents: int
    kills: dict[str, int]
    signals: dict[str, int]
    rooms: tuple[float, ...]
    bad_shards: int


SIZES = {
    "small": Size(
        300,
        {"token-prior": 12, "perplexity": 14, "select": 8, "mix run": 8, "build": 8},
        {"token-prior": 2, "perplexity": 3, "select": 1, "mix run": 1, "build": 1},
        (0.3,),
        1000,
    ),
    "large": Size(
        1500,
        {"token-prior": 60, "perplexity": 60, "select": 40, "mix run": 50, "build": 40},
        {"token-prior": 12, "perplexity": 12, "select": 6, "mix run": 12, "build": 6},
        (0.0, 0.1, 0.5, 0.9),
        20_000,
    ),
}


@click.command()
@click.option("--size", default="small", show_default=True, type=click.Choice(list(SIZES)))
@click.option("--jobs", default=2, show_default=True, help="Faults side by side.")
@click.option("--seed", default=0, show_default=True, help="Of the moments.")
def main(size: str, jobs: int, seed: int) -> None:
    """Print what was tried and what came of it; ends with 1 where something was not survived."""
    for library in ("OMP", "OPENBLAS", "MKL"):
        os.environ[f"{library}_NUM_THREADS"] = "1"
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="curate-faults-") as room:
        tally = _all(Job(Path(room), SIZES[size].documents), SIZES[size], jobs, seed)
    finish(
        ("fault", "tried", "survived", ""),
        tally.rows,
        {
            "faults": tally.faults,
            "survived": tally.survived,
            "bytes_differ": tally.bytes_differ,
            "documents_lost": tally.documents_lost,
            "inputs_tried": tally.inputs_tried,
            "seconds": time.monotonic() - start,
        },
    )
    sys.exit(tally.survived < tally.faults)


def _all(job: Job, size: Size, jobs: int, seed: int) -> Tally:
    tally, pool, start = Tally(), ThreadPoolExecutor(jobs), time.monotonic()

    def do(section: str, deeds: Sequence[Deed], note: str = "") -> None:
        known = len(tally.problems)
        tally.count(section, [*pool.map(lambda deed: deed(), deeds)], note)
        for problem in tally.problems[known:]:
            print(problem, file=sys.stderr)
        print(f"{section}: done after {time.monotonic() - start:.0f} s", file=sys.stderr)

    stages = job.stages
    for number, (name, n) in enumerate(size.kills.items()):
        same = (stages[name].world, stages[name].world)
        deeds = [
            partial(kills.killed, job, stages[name], at, i, worlds=same)
            for i, at in enumerate(kills.moments(n, seed + number))
        ]
        do(f"SIGKILL, {name}", deeds, f"over {job.seconds[name]:.1f} s")
    signals = [(s, n) for s in (signal.SIGTERM, signal.SIGINT) for n in size.signals]
    do(
        "SIGTERM and Ctrl-C",
        [
            partial(kills.asked, job, stages[name], at, which)
            for which, name in signals
            for at in kills.moments(size.signals[name], seed)
        ],
    )
    do(
        "a clock that jumps",
        [
            partial(kills.clocks, job, stages[name], at, i)
            for name in ("token-prior", "build")
            for i, at in enumerate(kills.moments(3, seed), start=10_000)
        ],
    )
    can_mount = disks.namespaces() is not None
    do(
        "disk full",
        [
            partial(disks.full, job, stage, share)
            for stage in stages.values()
            for share in size.rooms
        ],
        "a small tmpfs" if can_mount else "a limit on the size of files",
    )
    if can_mount:
        do("read-only output", [partial(disks.read_only, job, one) for one in stages.values()])
    do("two runs on one output", [partial(kills.refused, job, one) for one in stages.values()])
    do("a model in a mood", [partial(others.mood, job, kind) for kind in others.MOODS])
    do(
        "a corpus that changed",
        [partial(others.changed, job, stages["token-prior"], finished=f) for f in (False, True)],
    )
    if why := others.no_ray():
        do("a worker of Ray killed", [], why)
    else:  # one at a time: each takes the whole machine
        for which in ("task", "actor"):
            one = partial(others.killed_on_ray, job, stages["perplexity"], which)
            do(f"a worker of Ray killed, {which}", [one])
    _fuzz(tally, size.bad_shards, seed)
    return tally


def _fuzz(tally: Tally, n_cases: int, seed: int) -> None:
    """Add the bad shards of `bench.bad_shards`, if it is there."""
    found = others.bad_shards(n_cases, seed)
    if found is None:
        tally.rows.append(["bad shards", 0, 0, "skipped: there is no bench.bad_shards"])
        return
    tally.inputs_tried += found["inputs_tried"]
    tally.documents_lost += found["documents_lost"]
    tally.rows.append(["bad shards", found["inputs_tried"], found["inputs_tried"], ""])


if __name__ == "__main__":
    main()
