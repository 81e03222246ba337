"""The command line in processes that have loaded the libraries, so that faults meet the work.

A fork server loads them once. Each command is a process group of its own, which can be killed as a
whole, and writes what it prints to a file.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LOADED = [
    "curate.cli",
    "curate.cli.score",
    "curate.cli.select",
    "curate.cli.build",
    "curate.cli.mix",
    "curate.stages.score",
    "curate.stages.select",
    "curate.stages.build",
    "curate.stages.proxies",
    "scorers.perplexity",
    "scorers.token_prior",
    "scorers.backends.transformers",
    "transformers.models.llama.modeling_llama",
    "bench.faults.models",
]
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(_LOADED)


@dataclass(frozen=True, kw_only=True)
class World:
    """What is unusual about the machine that a command runs on.

    Attributes:
        seconds_a_part: how long a part of a score table is in work; None: as curate has it.
        clock: seconds by which the clock jumps each time it is read.
        most_bytes: of a file; None: as many as the disk has room for.
    """

    seconds_a_part: float | None = None
    clock: float = 0.0
    most_bytes: int | None = None

    def enter(self) -> None:
        """Make this process's world so."""
        if self.seconds_a_part is not None:
            from curate.stages import tabulate

            tabulate._SECONDS = self.seconds_a_part
        if self.clock:
            told, jump = time.time(), self.clock

            def jumping() -> float:
                nonlocal told
                told += jump
                return told

            time.time = jumping
        if self.most_bytes is not None:
            import resource

            resource.setrlimit(resource.RLIMIT_FSIZE, (self.most_bytes, self.most_bytes))


USUAL = World()


class Run:
    """A command that has started.

    Args:
        arguments: of `curate`, or what `bench.faults.models.run` is given.
        log: file for all that it prints.
        world: what it runs in.
    """

    def __init__(self, arguments: Any, log: Path, world: World = USUAL) -> None:
        self._log = log
        self._process = _context.Process(target=_child, args=(arguments, log, world))
        self._process.start()
        self.started = time.monotonic()

    def wait(self, seconds: float | None = None) -> int | None:
        """The exit code, negative for a signal; None where it is still running."""
        self._process.join(seconds)
        return self._process.exitcode

    def send(self, number: int, *, group: bool = False) -> None:
        """A signal, to the process or to its whole group, once it leads one."""
        assert self._process.pid is not None
        for to in (os.killpg, os.kill) if group else (os.kill,):
            try:
                to(self._process.pid, number)
            except ProcessLookupError:
                continue
            return

    def kill(self) -> None:
        """Kill it and its children, and wait for the end."""
        self.send(signal.SIGKILL, group=True)
        self.wait()

    @property
    def printed(self) -> str:
        """All that it printed."""
        return self._log.read_text(encoding="utf-8", errors="replace")


def _child(arguments: Any, log: Path, world: World) -> None:
    os.setsid()
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    world.enter()
    if isinstance(arguments, list):
        from curate.cli import main

        main(arguments)
    from . import models

    models.run(arguments)
