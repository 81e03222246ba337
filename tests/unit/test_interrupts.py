"""Signals: what is in hand is finished, the exit code is 130, and nothing prints a traceback."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import BrokenExecutor

import click
import pytest

from curate import cli, interrupts
from curate.cli import console
from curate.errors import ConfigError, CurateError

SIGNALS = [signal.SIGINT, signal.SIGTERM]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_waits_for_what_is_in_hand(number: int) -> None:
    done = []
    stopped = pytest.raises(interrupts.Interrupted, match="goes on where it stopped")
    with interrupts.heeded(), stopped, interrupts.finishing():
        with interrupts.finishing():
            interrupts.check()
            os.kill(os.getpid(), number)
            done.append("finished")
        assert interrupts.was_asked()
        done.append("not raised at the end of an inner block")
    assert len(done) == 2


def test_a_safe_point_stops() -> None:
    with interrupts.heeded(), pytest.raises(interrupts.Interrupted), interrupts.finishing():
        os.kill(os.getpid(), signal.SIGTERM)
        interrupts.check()
        raise AssertionError


@pytest.mark.parametrize("number", SIGNALS)
def test_the_second_signal_and_one_with_nothing_in_hand_stop_at_once(number: int) -> None:
    with interrupts.heeded():
        with pytest.raises(KeyboardInterrupt), interrupts.finishing():
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), number)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)


def test_the_handlers_before_come_back_and_errors_are_not_covered_up() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with pytest.raises(ValueError, match="first"), interrupts.heeded(), interrupts.finishing():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as a library may do
        interrupts.take()
        os.kill(os.getpid(), signal.SIGTERM)
        raise ValueError("first")
    assert [signal.getsignal(number) for number in SIGNALS] == before
    thread = threading.Thread(target=lambda: interrupts.heeded().__enter__())
    thread.start()
    thread.join()
    assert [signal.getsignal(number) for number in SIGNALS] == before


def _worker(pipe: object) -> None:
    interrupts.in_worker()
    pipe.send(os.getpid())  # type: ignore[attr-defined]
    time.sleep(60)


def _parent(pipe: object) -> None:
    worker = multiprocessing.get_context("spawn").Process(target=_worker, args=(pipe,))
    worker.start()
    worker.join()


def test_a_worker_leaves_signals_to_its_parent_and_dies_with_it() -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    parent = context.Process(target=_parent, args=(theirs,))
    parent.start()
    theirs.close()
    worker = ours.recv()
    os.kill(worker, signal.SIGINT)
    assert not ours.poll(0.2)
    parent.kill()
    parent.join()
    assert ours.poll(30)  # closed: nobody holds the other end any more
    with pytest.raises(EOFError):
        ours.recv()
    ours.close()
    parent.close()


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (KeyboardInterrupt(), 130, "Stopped. Run the same command again"),
        (interrupts.Interrupted(), 130, "it goes on where it stopped"),
        (ConfigError("a\x1b[31mb"), 2, "a\\x1b[31mb"),
        (CurateError("why"), 1, "why"),
        (OSError(errno.ENOSPC, "x", "out/a"), 1, "out/a: No space left on device. Make room"),
        (OSError(errno.EROFS, "x", "out/a"), 1, "Read-only file system. Make it writable"),
        (PermissionError(errno.EACCES, "x", "out/a"), 1, "Permission denied. Give the permission"),
        (OSError("the hub is down"), 1, "the hub is down"),
        (MemoryError("malloc of size 9"), 1, "Out of memory. malloc of size 9 What is done is"),
        (BrokenExecutor(), 1, "A worker process was killed"),
        (EOFError("a.gz"), 1, "ends before it should. a.gz"),
        (click.UsageError("no \x1b such"), 2, "no \\x1b such"),
    ],
)
def test_every_end_has_its_code_and_a_line_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    says: str,
) -> None:
    @click.command()
    def command() -> None:
        raise error

    monkeypatch.setitem(cli.cli.commands, "inspect", command)
    monkeypatch.setattr(type(cli.cli), "get_command", lambda *_: command)
    with pytest.raises(SystemExit) as ended:
        cli.main(["inspect"])
    assert ended.value.code == code
    printed = capsys.readouterr().err
    assert says in printed.replace("\n", " ")
    assert "\x1b" not in printed


def test_a_pipe_that_closes_ends_a_command_quietly() -> None:
    command = f"{sys.executable} -m curate --help | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    assert int(done.stdout) in (0, 1)


def test_lines_of_an_error_stay_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert console.failed(ConfigError("one\ntwo [bold]")) == 2
    assert capsys.readouterr().err == "Error: one\ntwo [bold]\n"
