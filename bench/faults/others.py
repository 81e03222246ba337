"""Models in bad moods, corpora that change, workers of Ray that are killed, and bad shards."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pyarrow.parquet as pq

from .child import Run
from .job import Job, Outcome, Stage, contents, n_rows
from .models import Case

MOODS = {"raises": "backend_error", "hangs": "backend_error", "memory": None, "nan": "not_finite"}
_LONGEST = 300.0


def mood(job: Job, kind: str) -> Outcome:
    """Score with a model in a mood: skipping, others keep their scores; failing, it goes on."""
    outcome, room = Outcome(f"a model that {kind}"), job.room / "moods" / kind
    room.mkdir(parents=True)
    healthy = Case(corpus=job.corpus, out=room / "healthy")
    skip = replace(healthy, out=room / "skip", mood=kind)
    fail = replace(healthy, out=room / "fail", mood=kind, on_error="fail")
    ended = {
        name: Run(case, room / f"{name}.log").wait(_LONGEST)
        for name, case in {"healthy": healthy, "skip": skip, "fail": fail}.items()
    }
    outcome.expect(ended["healthy"] == 0 == ended["skip"], f"exit codes: {ended}")
    _compare_scores(outcome, healthy.out, skip.out, MOODS[kind])
    again = Run(replace(fail, mood=""), room / "again.log")
    outcome.expect(again.wait(_LONGEST) == 0, f"did not go on: {again.printed[-300:]}")
    left, expected = contents(fail.out), contents(healthy.out)
    outcome.bytes_differ = sum(left.get(k) != expected.get(k) for k in {*left, *expected})
    outcome.expect(not outcome.bytes_differ, "failed and gone on, it differs")
    return outcome


def _compare_scores(outcome: Outcome, healthy: Path, skip: Path, reason: str | None) -> None:
    outcome.documents_lost = max(0, n_rows(healthy) - n_rows(skip))
    outcome.expect(not outcome.documents_lost, "rows are missing")
    n_null = 0
    for path in sorted(healthy.rglob("*.parquet")):
        expected = pq.read_table(path, partitioning=None).to_pylist()
        found = pq.read_table(skip / path.relative_to(healthy), partitioning=None).to_pylist()
        for was, is_ in zip(expected, found, strict=True):
            if is_["reason"] is not None and is_["reason"] != was["reason"]:
                n_null += 1
                outcome.expect(
                    reason is not None and is_["reason"].startswith(reason),
                    f"reason {is_['reason']!r}",
                )
            else:
                outcome.expect(is_["score"] == was["score"], f"another score in {path.name}")
    outcome.expect((n_null > 0) == (reason is not None), f"{n_null} documents have no score")


def changed(job: Job, stage: Stage, *, finished: bool) -> Outcome:
    """Change a byte of a shard between two runs, its size and its time as they were."""
    outcome = Outcome(f"a corpus that changed after {'a' if finished else 'half a'} run")
    room = job.room / "changed" / ("finished" if finished else "half")
    shutil.copytree(job.corpus, room / "corpus")
    arguments = [a.replace(str(job.corpus), str(room / "corpus")) for a in stage.arguments]
    there = replace(stage, arguments=arguments)
    run = Run(there.to(room / "out"), room / "first.log", stage.world)
    if finished:
        run.wait()
    else:
        table = room / "out" / stage.name / "books" / "0.jsonl.parquet"
        while run.wait(0.0) is None and not table.exists():
            time.sleep(0.002)
        run.kill()
    shard = room / "corpus/books/0.jsonl"
    before, content = shard.stat(), bytearray(shard.read_bytes())
    content[content.index(b'"text": "') + 9] ^= 1
    shard.write_bytes(content)
    os.utime(shard, ns=(before.st_atime_ns, before.st_mtime_ns))
    again = Run(there.to(room / "out"), room / "again.log", stage.world)
    outcome.expect(again.wait(_LONGEST) == 2, f"was not noticed: {again.printed[-300:]}")
    said = " ".join(again.printed.split())
    outcome.expect("0.jsonl" in said or "another configuration" in said, f"says {said[-200:]}")
    return outcome


def no_ray() -> str:
    """Why no worker of Ray can be killed here; empty where one can."""
    return "" if find_spec("ray") else "skipped: ray is not installed"


def killed_on_ray(job: Job, stage: Stage, which: str) -> Outcome:
    """Kill a process of Ray while it works for a stage: of a task, or the actor with the model."""
    outcome = Outcome(f"a worker of Ray killed ({which})")
    out = job.room / "ray" / which
    out.mkdir(parents=True)
    command = [sys.executable, "-m", "curate", *stage.to(out / "out"), "--engine", "ray"]
    with (out / "log").open("wb") as log:
        run = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    n_killed = 0
    while run.poll() is None:
        if not n_killed:
            for pid in _ray_workers(run.pid):
                title = _read(pid, "cmdline")  # Ray's own agents have such titles, too
                if "Map(" in title and ("MapWorker" in title) == (which == "actor"):
                    os.kill(pid, signal.SIGKILL)
                    n_killed += 1
                    break
        time.sleep(0.02)
    said = (out / "log").read_text(errors="replace")
    outcome.expect(n_killed > 0, "no worker was found")
    outcome.expect(run.returncode == 0, f"ended with {run.returncode}: {said[-300:]}")
    job.judge(outcome, stage.name, out / "out")
    return outcome


def _ray_workers(session: int) -> Iterator[int]:
    """Processes of a session whose title is that of a worker of Ray."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _read(int(entry.name), "cmdline").startswith("ray::"):
            above = int(entry.name)
            for _ in range(8):
                fields = _read(above, "stat").rpartition(")")[2].split()
                above = int(fields[1]) if len(fields) > 1 else 0
                if above == session:
                    yield int(entry.name)
                    break
                if above <= 1:
                    break


def _read(pid: int, what: str) -> str:
    try:
        return Path(f"/proc/{pid}/{what}").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def bad_shards(n_cases: int, seed: int) -> dict[str, int] | None:
    """Counts of the fuzz of readers; None where there is none."""
    try:
        module = importlib.import_module("bench.bad_shards")
    except ModuleNotFoundError:
        return None
    return dict(module.run(n_cases, seed))
