"""Train proxy models on designed mixtures of the selected documents, and measure them.

OUT/_config.json        what the runs have in common
OUT/tokenizer/          where it is trained on the documents, see `proxy_tokenizer`
OUT/tokens/             text of each domain as token ids, see `proxy_text`
OUT/stacks/             what is being trained, see `proxy_stacks`
OUT/runs/<run>.json     one finished run
OUT/runs.parquet        all runs of a design as they learned, see `curves`
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from mixing.proxies import ProxySpec

from ..corpus import Corpus
from ..engines import Engine, Local
from ..errors import ConfigError, as_config_error
from ..files import claim, digest, local_directory, only_writer, read_json, refuse_another
from ..places import place
from ..runs import RunTable
from .proxy_runs import ProxyRuns, read_runs, run_file
from .proxy_stacks import Trained, Work, plan, progress_of, train
from .proxy_swarm import Job, Swarm, measured_steps, over_all
from .proxy_text import BEFORE, KEPT, write_tokens
from .proxy_tokenizer import make_tokenizer
from .selection import Selection

__all__ = ["BEFORE", "KEPT", "Job", "ProxyRuns", "Swarm", "over_all", "run", "run_jobs"]

CONFIG = "_config.json"
_SECONDS_BETWEEN_LOOKS = 5.0

_TWO = Local(2)

Say = Callable[[str], None]


def run(
    design: str | Path,
    selection: str | Path,
    corpus: Corpus,
    out: str | Path,
    *,
    swarm: Swarm,
    engine: Engine = _TWO,
    progress: Say = lambda _: None,
) -> RunTable:
    """Train one proxy for each mixture of a design, on what was kept of each domain.

    Args:
        design: table of mixtures.
        selection: directory of a selection.
        corpus: the shards that were selected from.
        out: local directory; the runs are written to its runs.parquet.
        swarm: model and training.
        engine: trains; a stack has one thread.
        progress: told how far it is.

    Returns:
        The last losses of the runs that did not diverge.

    Raises:
        ConfigError: the design has other domains than the selection, or ``out`` other runs.
    """
    run_design(design, selection, corpus, out, swarm=swarm, engine=engine, progress=progress)
    return RunTable.read(Path(out) / "runs.parquet")


def run_design(
    design: str | Path,
    selection: str | Path,
    corpus: Corpus,
    out: str | Path,
    *,
    swarm: Swarm,
    seeds: int = 1,
    engine: Engine = _TWO,
    progress: Say = lambda _: None,
) -> ProxyRuns:
    """As `run`, with all that was measured, and each mixture with several seeds.

    Of each mixture ``seeds`` runs are trained; one of another seed than 0 is named
    "<run>-s<seed>".
    """
    jobs = design_jobs(design, Selection(place(selection)), seeds)
    runs = run_jobs(jobs, selection, corpus, out, swarm=swarm, engine=engine, progress=progress)
    if len(runs.diverged) == len(jobs):
        raise ConfigError(
            f"{out}: every run diverged; {jobs[0].run}: {runs.diverged[jobs[0].run]}."
        )
    runs.write(Path(out) / "runs.parquet")
    return runs


def design_jobs(design: str | Path, chosen: Selection, seeds: int = 1) -> list[Job]:
    """The runs that a design asks for, on what was kept.

    Raises:
        ConfigError: no mixtures, or other domains than the selection's.
    """
    planned = RunTable.read(design)
    if planned.domains != chosen.domains:
        raise ConfigError(f"{design} mixes {planned.domains}; {chosen.root} kept {chosen.domains}.")
    if not planned.names:
        raise ConfigError(f"{design} holds no mixture.")
    return [
        Job(
            run=f"{name}-s{seed}" if seed else name,
            text=KEPT,
            schedule=over_all(chosen, dict(zip(planned.domains, mixture, strict=True))),
            seed=seed,
        )
        for name, mixture in zip(planned.names, planned.mixtures.tolist(), strict=True)
        for seed in range(seeds)
    ]


def run_jobs(
    jobs: Sequence[Job],
    selection: str | Path,
    corpus: Corpus,
    out: str | Path,
    *,
    swarm: Swarm,
    engine: Engine = _TWO,
    progress: Say = lambda _: None,
) -> ProxyRuns:
    """Train what is not trained yet, in stacks side by side, and collect the losses.

    A call that was killed goes on where it was and, on a CPU, ends with the same bits. The number
    of processes changes nothing but the time. A run that diverges is told through ``progress`` and
    never stops the others.

    Raises:
        ConfigError: ``out`` holds other runs, or there is too little text.
    """
    root, chosen, jobs = local_directory(out), Selection(place(selection)), [*jobs]
    _check(jobs, swarm.device)
    with only_writer(root):
        spec = _prepare(root, chosen, corpus, swarm, {job.run: job for job in jobs})
        left = []
        for job in jobs:
            done = run_file(root, job)
            if done.exists():
                refuse_another(root, read_json(done)["job"], job.plain())
            else:
                left.append(job.run)
        start = time.perf_counter()
        steps = _train(root, jobs, left, spec, swarm, chosen, engine, progress) if left else 0
        seconds = time.perf_counter() - start
        finished = read_runs(root, jobs, chosen, spec)
    return replace(finished, model_steps=steps, seconds=seconds)


def _check(jobs: Sequence[Job], device: str) -> None:
    """What would fail after the text was encoded, or write elsewhere than to the directory."""
    names = [job.run for job in jobs]
    if not names:
        raise ConfigError("No runs were asked for.")
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"Two runs are named {name!r}: give each a name of its own.")
        if not name or len(name.encode()) > 200 or {*"/\\\0"} & {*name} or name[0] == ".":
            raise ConfigError(
                f"A run's name is that of its file: without slashes, of 1 to 200 bytes, not "
                f"beginning with a dot. Got {name!r}."
            )
    if device != "cpu":
        import torch

        if not torch.cuda.is_available():
            raise ConfigError(f"PyTorch sees no GPU for the device {device!r}. Use cpu.")


def _prepare(
    root: Path, chosen: Selection, corpus: Corpus, swarm: Swarm, jobs: dict[str, Job]
) -> ProxySpec:
    """Claim the directory, and write tokenizer and text."""
    claim(root, CONFIG, {**swarm.config(), "selection": digest(chosen.manifest)})
    try:
        try:
            tokenizer = make_tokenizer(root, swarm, chosen, corpus)
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"The tokenizer {swarm.tokenizer!r} cannot be loaded: give a directory, a hub name "
                f"that can be reached, demo or corpus. {error}"
            ) from error
        texts = {job.text for job in jobs.values()}
        for text in [KEPT, *([BEFORE] if BEFORE in texts else [])]:
            write_tokens(
                root,
                chosen,
                corpus,
                tokenizer,
                text=text,
                held_out=swarm.held_out,
                n_tokens=swarm.proxy.n_tokens,
                length=swarm.proxy.length,
            )
    except BaseException:  # an interrupt, too, must not keep the directory for this request
        if not (root / "tokens" / f"{KEPT}.json").exists():  # the corrected request may write here
            (root / CONFIG).unlink()
            shutil.rmtree(root / "tokenizer", ignore_errors=True)
        raise
    return swarm.spec(tokenizer.size)


def _train(
    root: Path,
    jobs: list[Job],
    left: list[str],
    spec: ProxySpec,
    swarm: Swarm,
    chosen: Selection,
    engine: Engine,
    progress: Say,
) -> int:
    """Train the jobs that are left; how many model-steps that took."""
    works = [
        Work(
            root=root,
            name=name,
            jobs=members,
            spec=spec,
            measure=measured_steps(spec, swarm.measures),
            device=swarm.device,
            domains=chosen.all_domains,
            targets=chosen.domains,
        )
        for name, members in plan(root, jobs, left, spec, swarm).items()
    ]
    unfinished = {work.name: len(work.jobs) for work in works}
    n_steps, n_left, total = 0, sum(unfinished.values()), len(jobs)
    progress(f"proxies: {n_left} of {total} runs to train, in stacks: {len(works)}")
    with as_config_error("proxy runs"), _looked_at(root, unfinished, spec.steps, progress):
        on_cpu = swarm.device == "cpu"
        for done in engine.map(train, works) if on_cpu else engine.stream(_trainer, works):
            n_steps += done.model_steps
            n_left -= len(done.runs)
            unfinished.pop(done.name)
            for name, reason in done.diverged.items():
                progress(f"proxies: {name} diverged and is left out: {reason}")
            progress(f"proxies: {total - n_left}/{total} runs (finished {done.runs[-1]})")
    shutil.rmtree(root / "stacks")
    return n_steps


def _trainer() -> Callable[[Iterable[Work]], Iterator[Trained]]:
    """For a process that has a GPU to itself."""
    return partial(map, train)


@contextmanager
def _looked_at(
    root: Path, unfinished: dict[str, int], n_steps: int, progress: Say
) -> Iterator[None]:
    """Tell now and then how far stacks are that take long."""
    stop = threading.Event()

    def look() -> None:
        told = 0.0
        while not stop.wait(_SECONDS_BETWEEN_LOOKS):
            stacks = dict(unfinished)
            done = progress_of(root, stacks) / max(1, sum(stacks.values()) * n_steps)
            if done > told:
                told = done
                progress(f"proxies: {sum(stacks.values())} runs in training, {done:.0%} done")

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
