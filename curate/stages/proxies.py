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
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from mixing.proxies import ProxySpec

from ..corpus import Corpus
from ..engines import Engine, Local
from ..errors import ConfigError, as_config_error
from ..files import claim, digest, local_directory, only_writer, read_json, refuse_another
from ..places import place
from ..progress import Machine, Progress, Reporter, silent
from ..runs import RunTable
from .proxy_progress import Seen
from .proxy_runs import ProxyRuns, read_runs, run_file
from .proxy_stacks import Trained, Work, plan, train
from .proxy_swarm import Job, Swarm, measured_steps, over_all
from .proxy_text import BEFORE, KEPT, write_tokens
from .proxy_tokenizer import make_tokenizer
from .selection import Selection

__all__ = ["BEFORE", "KEPT", "Job", "ProxyRuns", "Swarm", "over_all", "run", "run_jobs"]

CONFIG = "_config.json"

_TWO = Local(2)


def run(
    design: str | Path,
    selection: str | Path,
    corpus: Corpus,
    out: str | Path,
    *,
    swarm: Swarm,
    engine: Engine = _TWO,
    progress: Reporter = silent,
) -> RunTable:
    """Train one proxy for each mixture of a design, on what was kept of each domain.

    Args:
        design: table of mixtures.
        selection: directory of a selection.
        corpus: the shards that were selected from.
        out: local directory; the runs are written to its runs.parquet.
        swarm: model and training.
        engine: trains; a stack has one thread.
        progress: told how far it is; see `curate.progress`, where a run is a shard.

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
    progress: Reporter = silent,
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
    progress: Reporter = silent,
    stage: str = "mix run",
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
    machine = Machine(
        device=swarm.device,
        n_devices=1 if swarm.device == "cpu" else engine.models,
        parameters=swarm.proxy.n_parameters,
    )
    with (
        only_writer(root),
        Progress(progress, root, stage, root.name, len(jobs), machine=machine) as heard,
    ):
        heard.doing("encoding the text")
        spec = _prepare(root, chosen, corpus, swarm, {job.run: job for job in jobs})
        left = []
        for job in jobs:
            done = run_file(root, job)
            if done.exists():
                refuse_another(root, read_json(done)["job"], job.plain())
                heard.finish(job.run, before=True)
            else:
                left.append(job.run)
        heard.doing(None)
        start = time.perf_counter()
        steps = _train(root, jobs, left, spec, swarm, chosen, engine, heard) if left else 0
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
            _ = tokenizer.size  # loads it
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
    progress: Progress,
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
    seen = Seen(works, spec, progress)
    n_steps = 0
    with as_config_error("proxy runs"), seen.looking():
        on_cpu = swarm.device == "cpu"
        for done in engine.map(train, works) if on_cpu else engine.stream(_trainer, works):
            n_steps += done.model_steps
            seen.finish(done)
            for name, reason in done.diverged.items():
                progress.note(f"{name} diverged and is left out: {reason}")
    shutil.rmtree(root / "stacks")
    return n_steps


def _trainer() -> Callable[[Iterable[Work]], Iterator[Trained]]:
    """For a process that has a GPU to itself."""
    return partial(map, train)
