"""Train proxy models on designed mixtures of the selected documents, and measure them.

OUT/_config.json        what the runs have in common
OUT/tokens/             text of each domain as token ids, see `proxy_text`
OUT/runs/<run>.json     one finished run
OUT/runs.csv            all of them: run, share/…, loss/…
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mixing.proxies import ProxySpec, train_proxy
from scorers.tokenizer import Tokenizer

from ..corpus import Corpus
from ..engines.local import in_processes
from ..errors import ConfigError, as_config_error
from ..files import (
    claim,
    digest,
    local_directory,
    only_writer,
    read_json,
    refuse_another,
    versions,
    write_json,
)
from ..registry import did_you_mean, resolve_model
from ..runs import RunTable
from .proxy_text import KEPT, VALIDATION, load_tokens, write_tokens
from .selection import Selection

CONFIG = "_config.json"
_SET_HERE = ("n_vocabulary", "seed")


@dataclass(frozen=True)
class Swarm:
    """What all runs of a directory have in common.

    Attributes:
        tokenizer: model directory or hub name; "demo" is the toy's.
        held_out: share of the documents that proxies are judged on, in (0, 1).
        proxy: the model and its training; its vocabulary and seed are set for each run.
    """

    tokenizer: str
    held_out: float
    proxy: ProxySpec

    @classmethod
    def of(cls, *, tokenizer: str = "demo", held_out: float = 0.1, **proxy: Any) -> Swarm:
        """A swarm from plain options; those of the proxy and their defaults are `ProxySpec`'s.

        Raises:
            ConfigError: an option it does not have, or a value out of range.
        """
        known = [name for name in ProxySpec.__dataclass_fields__ if name not in _SET_HERE]
        for name in proxy:
            if name not in known:
                near = did_you_mean(name, ["tokenizer", "held_out", *known])
                raise ConfigError(f"A proxy has no option {name!r}. {near}")
        try:
            if not 0 < held_out < 1:
                raise ValueError(f"'held_out' must be in (0, 1). Got {held_out}.")
            return cls(tokenizer, held_out, ProxySpec(n_vocabulary=1, **proxy))
        except (TypeError, ValueError) as error:
            raise ConfigError(f"proxy: {error}") from error

    def config(self) -> dict[str, Any]:
        """Everything the runs have in common, as plain values."""
        shared = {k: v for k, v in asdict(self.proxy).items() if k not in _SET_HERE}
        return {"tokenizer": self.tokenizer, "held_out": self.held_out, **shared}


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run: shares of all domains, of the kept documents or of the corpus as it came."""

    run: str
    text: str
    mixture: tuple[float, ...]
    seed: int = 0


@dataclass(frozen=True)
class _Work:
    job: Job
    spec: ProxySpec
    root: Path
    domains: list[str]
    targets: list[str]


def run(
    design: str | Path,
    selection: str | Path,
    corpus: Corpus,
    out: str | Path,
    *,
    swarm: Swarm,
    workers: int = 2,
    progress: Callable[[str], None] = lambda _: None,
) -> RunTable:
    """Train one proxy for each mixture of a design, on what was kept of each domain.

    Args:
        design: CSV file of mixtures.
        selection: directory of a selection.
        corpus: the shards that were selected from.
        out: local directory.
        swarm: model and training.
        workers: processes side by side, of one thread each.
        progress: told each finished run.

    Raises:
        ConfigError: the design has other domains than the selection, or ``out`` other runs.
    """
    planned, chosen = RunTable.read(design), Selection(Path(selection))
    domains = chosen.domains
    if planned.domains != domains:
        raise ConfigError(f"{design} mixes {planned.domains}; {selection} kept {domains}.")
    jobs = [
        Job(run=name, text=KEPT, mixture=over_all(chosen, dict(zip(domains, mixture, strict=True))))
        for name, mixture in zip(planned.names, planned.mixtures.tolist(), strict=True)
    ]
    losses = run_jobs(jobs, selection, corpus, out, swarm=swarm, workers=workers, progress=progress)
    table = RunTable(planned.names, domains, planned.mixtures, domains, losses)
    table.write(Path(out) / "runs.csv")
    return table


def run_jobs(
    jobs: Sequence[Job],
    selection: str | Path,
    corpus: Corpus,
    out: str | Path,
    *,
    swarm: Swarm,
    workers: int = 2,
    progress: Callable[[str], None] = lambda _: None,
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Losses of each job, float64[jobs, domains of which something was kept], nats per token."""
    root, chosen = local_directory(out), Selection(Path(selection))
    tokenizer = Tokenizer(model=resolve_model(swarm.tokenizer))
    with only_writer(root):
        config = {**swarm.config(), "selection": digest(chosen.manifest)}
        claim(root, CONFIG, config)
        try:
            write_tokens(
                root,
                chosen,
                corpus,
                tokenizer,
                held_out=swarm.held_out,
                n_tokens=swarm.proxy.n_tokens,
                length=swarm.proxy.length,
            )
        except ConfigError:
            (root / CONFIG).unlink()  # so that the corrected request may write here
            raise
        work = []
        for job in jobs:
            spec = replace(swarm.proxy, n_vocabulary=tokenizer.size, seed=job.seed)
            done = root / "runs" / f"{job.run}.json"
            if done.exists():
                refuse_another(root, read_json(done)["job"], _plain(job))
            else:
                work.append(_Work(job, spec, root, chosen.all_domains, chosen.domains))
        total, n_done = len(jobs), len(jobs) - len(work)
        with as_config_error("proxy runs"):
            for name in in_processes(_train, work, workers):
                n_done += 1
                progress(f"proxies: {n_done}/{total} runs (finished {name})")
    finished = [read_json(root / "runs" / f"{job.run}.json") for job in jobs]
    return np.array([[f["losses"][d] for d in chosen.domains] for f in finished])


def over_all(chosen: Selection, mixture: dict[str, float]) -> tuple[float, ...]:
    """A mixture as shares of every domain of the corpus; 0 for those it does not name."""
    return tuple(mixture.get(domain, 0.0) for domain in chosen.all_domains)


def _plain(job: Job) -> dict[str, Any]:
    return {**asdict(job), "mixture": list(job.mixture)}


def _train(work: _Work) -> str:
    """Train one proxy and write what it measured (in a process of its own)."""
    training = load_tokens(work.root, work.job.text, len(work.domains))
    validation = load_tokens(work.root, VALIDATION, len(work.domains))
    judged = [validation[work.domains.index(target)] for target in work.targets]
    result = train_proxy(work.spec, training, judged, np.array(work.job.mixture))
    record = {
        "job": _plain(work.job),
        "spec": asdict(work.spec),
        "losses": dict(zip(work.targets, result.losses.tolist(), strict=True)),
        "epochs": dict(zip(work.domains, result.epochs.tolist(), strict=True)),
        "training_loss": result.training_loss,
        "versions": versions(),
    }
    write_json(work.root / "runs" / f"{work.job.run}.json", record)
    return work.job.run
