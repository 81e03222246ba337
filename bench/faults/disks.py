"""A disk that is full and one that is read-only, in a mount namespace of its own."""

from __future__ import annotations

import errno
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

from .child import Run
from .job import Job, Outcome, Stage

_FULL = """
set -u
mount -t tmpfs -o size={size} none {mounted} || exit 77
{command}; echo first ended with $?
mount -o remount,size=1g {mounted}
{command}; echo second ended with $?
cp -a {mounted}/. {kept}
"""
_READ_ONLY = """
set -u
mount --bind {mounted} {mounted} || exit 77
mount -o remount,ro,bind {mounted} || exit 77
{command}; echo first ended with $?
mount -o remount,rw,bind {mounted}
{command}; echo second ended with $?
cp -a {mounted}/. {kept}
"""


@cache
def namespaces() -> list[str] | None:
    """What starts a command that may mount; None: nothing does here."""
    for given in (["unshare", "-m"], ["unshare", "-rm"]):
        wanted = "mount -t tmpfs none /mnt"
        try:
            tried = subprocess.run([*given, "sh", "-c", wanted], capture_output=True, check=False)
        except FileNotFoundError:
            return None
        if tried.returncode == 0:
            return given
    return None


def full(job: Job, stage: Stage, share: float) -> Outcome:
    """Run a stage where there is room for a share of what it writes, then with room."""
    how = namespaces()
    if how is None:
        return too_large(job, stage, share)
    written = sum(path.stat().st_size for path in _files(job.reference(stage.name)))
    outcome = Outcome(f"{stage.name} with room for {share:.0%}")
    size = max(4096, int(written * share) // 4096 * 4096)
    return _mounted(job, stage, outcome, how, _FULL.replace("{size}", str(size)), "No space left")


def read_only(job: Job, stage: Stage) -> Outcome:
    """Run a stage on a place that cannot be written to, then on one that can."""
    outcome = Outcome(f"{stage.name} on a read-only output")
    how = namespaces() or []
    return _mounted(job, stage, outcome, how, _READ_ONLY, "Read-only file system")


def _mounted(
    job: Job, stage: Stage, outcome: Outcome, how: list[str], script: str, says: str
) -> Outcome:
    room = job.room / "disks" / outcome.name.replace(" ", "-").replace("%", "")
    mounted, kept = room / "mounted", room / "kept"
    for path in (mounted, kept):
        path.mkdir(parents=True)
    command = shlex.join([sys.executable, "-m", "curate", *stage.to(mounted / "out")])
    told = script.format(mounted=mounted, kept=kept, command=command)
    done = subprocess.run([*how, "sh", "-c", told], capture_output=True, text=True, check=False)
    said = " ".join((done.stdout + done.stderr).split())
    outcome.expect("first ended with 1" in said, f"was to fail with 1: {said[-300:]}")
    outcome.expect(says in said, f"does not say {says!r}: {said[-300:]}")
    outcome.expect("Traceback" not in said, "printed a traceback")
    outcome.expect("second ended with 0" in said, f"did not go on: {said[-300:]}")
    job.judge(outcome, stage.name, kept / "out")
    return outcome


def too_large(job: Job, stage: Stage, share: float) -> Outcome:
    """The same by a limit on the size of a file, where nothing can be mounted."""
    outcome = Outcome(f"{stage.name} with files of no more than {share:.0%}")
    out = job.room / "disks" / f"{stage.name}-{share}"
    out.parent.mkdir(parents=True, exist_ok=True)
    largest = max(path.stat().st_size for path in _files(job.reference(stage.name)))
    world = replace(stage.world, most_bytes=int(largest * share))
    first = Run(stage.to(out), out.with_name(f"{out.name}.log"), world)
    outcome.expect(first.wait() == 1, "was to fail with 1")
    outcome.expect(os.strerror(errno.EFBIG) in first.printed, "does not say why")
    again = Run(stage.to(out), out.with_name(f"{out.name}.again.log"), stage.world)
    outcome.expect(again.wait() == 0, f"did not go on: {again.printed[-300:]}")
    job.judge(outcome, stage.name, out)
    shutil.rmtree(out)
    return outcome


def _files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]
