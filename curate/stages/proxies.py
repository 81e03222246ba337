"""Train proxy models on designed mixtures of the selected documents, and measure them.

    OUT/_config.json        what the runs have in common
    OUT/tokens/*.npy        token ids of each domain: kept, before (unfiltered), validation
    OUT/runs/<run>.json     one finished run
    OUT/runs.csv            all of them: run, share/…, loss/…

Validation documents are held out by key, so that no run, filtered or not, has seen them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mixing.proxies import ProxySpec, train_proxy
from samplers import permanent_random
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
    versions,
    whole,
    write_json,
)
from ..registry import resolve_model
from ..runs import RunTable
from .selection import Selection, held_out

KEPT, BEFORE, VALIDATION = "kept", "before", "validation"
_THINNING_SEED = 0x7417
_VALIDATION_TOKENS = 20_000
_FEWEST_VALIDATION_TOKENS = 500


@dataclass(frozen=True, kw_only=True)
class Swarm:
    """What all runs of a directory have in common.

    Attributes:
        tokenizer: model directory or hub name; "demo" is the toy's.
        held_out: share of the documents that proxies are judged on, in (0, 1).
        hidden, layers, heads, length, batch, steps, learning_rate: see `ProxySpec`.
    """

    tokenizer: str = "demo"
    held_out: float = 0.1
    hidden: int = 64
    layers: int = 2
    heads: int = 4
    length: int = 64
    batch: int = 8
    steps: int = 500
    learning_rate: float = 5e-3

    def __post_init__(self) -> None:
        if not 0 < self.held_out < 1:
            raise ConfigError(f"'held_out' must be in (0, 1). Got {self.held_out}.")

    def spec(self, n_vocabulary: int, seed: int) -> ProxySpec:
        """The proxy to train."""
        shape = asdict(self)
        del shape["tokenizer"], shape["held_out"]
        with as_config_error("proxy"):
            return ProxySpec(n_vocabulary=n_vocabulary, seed=seed, **shape)


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run: a mixture of the kept documents, or of the corpus as it was before."""

    run: str
    text: str
    mixture: tuple[float, ...]
    seed: int = 0


@dataclass(frozen=True)
class _Work:
    job: Job
    spec: ProxySpec
    root: Path
    n_domains: int


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
    planned = RunTable.read(design)
    jobs = [
        Job(run=name, text=KEPT, mixture=tuple(mixture.tolist()))
        for name, mixture in zip(planned.names, planned.mixtures, strict=True)
    ]
    domains = Selection(Path(selection)).domains
    if planned.domains != domains:
        raise ConfigError(f"{design} mixes {planned.domains}; {selection} kept {domains}.")
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
    """Losses of each job on each domain, float64[jobs, domains], nats per token."""
    root, chosen = local_directory(out), Selection(Path(selection))
    tokenizer = Tokenizer(model=resolve_model(swarm.tokenizer))
    with only_writer(root):
        config = {**asdict(swarm), "selection": digest(chosen.manifest)}
        claim(root, "_config.json", config)
        _write_tokens(root, chosen, corpus, tokenizer, swarm)
        work = []
        for job in jobs:
            spec = swarm.spec(tokenizer.size, job.seed)
            done = root / "runs" / f"{job.run}.json"
            if done.exists():
                if read_json(done)["job"] != _plain(job):
                    raise ConfigError(f"{done} is a run of another mixture. Delete {out}.")
            else:
                work.append(_Work(job, spec, root, len(chosen.domains)))
        total, n_done = len(jobs), len(jobs) - len(work)
        with as_config_error("proxy runs"):
            for name in in_processes(_train, work, workers):
                n_done += 1
                progress(f"proxies: {n_done}/{total} runs (finished {name})")
    finished = [read_json(root / "runs" / f"{job.run}.json") for job in jobs]
    return np.array([[f["losses"][d] for d in chosen.domains] for f in finished])


def _plain(job: Job) -> dict[str, Any]:
    return {**asdict(job), "mixture": list(job.mixture)}


def _train(work: _Work) -> str:
    """Train one proxy and write what it measured (in a process of its own)."""
    tokens = work.root / "tokens"
    training = [_load(tokens, work.job.text, d) for d in range(work.n_domains)]
    validation = [_load(tokens, VALIDATION, d) for d in range(work.n_domains)]
    mixture = np.array(work.job.mixture)
    result = train_proxy(work.spec, training, validation, mixture)
    domains = read_json(tokens / "_tokens.json")["domains"]
    record = {
        "job": _plain(work.job),
        "spec": asdict(work.spec),
        "losses": dict(zip(domains, result.losses.tolist(), strict=True)),
        "epochs": dict(zip(domains, result.epochs.tolist(), strict=True)),
        "training_loss": result.training_loss,
        "versions": versions(),
    }
    write_json(work.root / "runs" / f"{work.job.run}.json", record)
    return work.job.run


def _load(tokens: Path, what: str, domain: int) -> np.ndarray[Any, np.dtype[np.integer[Any]]]:
    return np.asarray(np.load(tokens / f"{what}-{domain:03d}.npy", mmap_mode="r"))


def _write_tokens(
    root: Path, chosen: Selection, corpus: Corpus, tokenizer: Tokenizer, swarm: Swarm
) -> None:
    """Token ids of each domain, once."""
    done = root / "tokens" / "_tokens.json"
    if done.exists():
        return
    domains = chosen.domains
    wanted = swarm.spec(tokenizer.size, 0).n_tokens
    pieces: dict[tuple[str, str], list[np.ndarray[Any, Any]]] = defaultdict(list)
    for what, everything in ((KEPT, False), (BEFORE, True)):
        amounts = dict(
            zip(domains, chosen.amounts("before" if everything else "kept"), strict=True)
        )
        for _, batch in chosen.texts(corpus, everything=everything):
            held = held_out(batch.keys, swarm.held_out)
            lots = permanent_random(_THINNING_SEED, batch.keys)
            picked = [
                i
                for i, domain in enumerate(batch.domains)
                if domain in amounts
                and ((not everything) if held[i] else lots[i] < 1.25 * wanted / amounts[domain])
            ]
            encoded = tokenizer.encode([batch.texts[i] for i in picked])
            for i, ids in zip(picked, encoded, strict=True):
                name = VALIDATION if held[i] else what
                pieces[name, batch.domains[i]].append(np.array([tokenizer.prefix_id, *ids]))
    kind = np.uint16 if tokenizer.size <= 2**16 else np.uint32
    counts: dict[str, dict[str, int]] = {}
    for what in (KEPT, BEFORE, VALIDATION):
        limit = _VALIDATION_TOKENS if what == VALIDATION else None
        for number, domain in enumerate(domains):
            joined = np.concatenate([np.empty(0, kind), *pieces[what, domain]]).astype(kind)[:limit]
            path = root / "tokens" / f"{what}-{number:03d}.npy"
            with whole(path) as temporary, temporary.open("wb") as file:
                np.save(file, joined)
            counts.setdefault(what, {})[domain] = len(joined)
    short = {d: n for d, n in counts[VALIDATION].items() if n < _FEWEST_VALIDATION_TOKENS}
    if short:
        raise ConfigError(
            f"Too little held-out text to judge proxies on: {short} tokens. Hold out a larger "
            f"share than {swarm.held_out}, keep more documents, or leave the domain out."
        )
    write_json(done, {"domains": domains, "counts": counts})
