"""Proposed mixtures on trial: trained beside others, at one scale, with several seeds each.

OUT/runs.parquet    every run's losses as it learned, see `curves`
OUT/verify.json     predicted against observed
The rest of OUT is what `proxies` writes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from threadpoolctl import threadpool_limits

from ...engines import Engine, Local
from ...errors import ConfigError
from ...files import write_json
from ...progress import Reporter, silent
from .files import StoredLaw, at_covariates, load_law, named
from .supply import Supply
from .trial import PROPORTIONAL, Trial, dataset_limits, jobs, read_proposals, references
from .verdicts import judge

if TYPE_CHECKING:
    from ...corpus import Corpus
    from ..proxies import ProxyRuns, Swarm


def verify(
    law: str | Path,
    mixtures: Sequence[str | Path],
    selection: str | Path,
    corpus: Corpus,
    out: str | Path,
    *,
    swarm: Swarm,
    n_seeds: int = 3,
    n_random: int = 3,
    max_epochs: float | None = None,
    objective: Mapping[str, float] | None = None,
    at: Mapping[str, float] | None = None,
    level: float = 0.9,
    seed: int = 0,
    engine: Engine | None = None,
    progress: Reporter = silent,
) -> dict[str, Any]:
    """Train proposed mixtures and what they should beat; predicted against observed losses.

    Trained are the proposals, the proportional and the uniform mixture, UniMax and some drawn at
    random around the proportions, every distinct mixture once with each seed.

    Args:
        law: file written by `fit`.
        mixtures: files of `optimize`, or any JSON objects of shares.
        selection: directory of a selection.
        corpus: the shards that were selected from.
        out: local directory.
        swarm: model and training of every run.
        n_seeds: runs of each mixture, with the seeds 1, 2, …; a design's runs have seed 0. Those
            of `mix run --seeds` have the next ones, too, and their noise is then in the law.
        n_random: mixtures drawn at random.
        max_epochs: how often UniMax and random mixtures may repeat a domain in a dataset of the
            size that the proposals were optimised for (else of what a proxy reads); by default
            as often as the proposals, else 4.
        objective: weight of each target; by default that which each mixture was optimised for.
        at: value of each covariate that the law reads; by default the scale of the runs.
        level: of the intervals.
        seed: of the random mixtures.
        engine: trains; None: two processes.
        progress: told how far it is; see `proxies.run_jobs`.

    Returns:
        What verify.json holds.

    Raises:
        ConfigError: other domains than the law's, an objective that nothing measures, or what
            `proxies.run_jobs` refuses.
    """
    from .. import proxies

    stored = load_law(law)
    supply = Supply.of(stored.domains, selection, None)
    # A selection's domains are what proxies are judged on, and it was just compared with the law's.
    proposals = read_proposals(mixtures, stored, stored.domains, objective)
    limits = dataset_limits([*map(Path, mixtures)], swarm.proxy.n_tokens, max_epochs)
    trial = Trial.of(proposals, references(supply, *limits, n_random=n_random, seed=seed))
    _at_scale(stored, at or {}, swarm.proxy.n_parameters, swarm.proxy.n_tokens)  # or refuse now
    runs = proxies.run_jobs(
        jobs(trial, selection, n_seeds),
        selection,
        corpus,
        out,
        swarm=swarm,
        engine=engine or Local(2),
        progress=progress,
        stage="mix verify",
    )
    return report(stored, trial, runs, out, limits=limits, at=at, level=level)


def report(
    stored: StoredLaw,
    trial: Trial,
    runs: ProxyRuns,
    out: str | Path,
    *,
    limits: tuple[int, float],
    at: Mapping[str, float] | None = None,
    level: float = 0.9,
) -> dict[str, Any]:
    """What finished runs say of each proposal; writes both files. See `verify`.

    Args:
        stored: the law that predicted.
        trial: the mixtures.
        runs: those of `jobs`, in their order.
        out: directory to write to.
        limits: tokens of the dataset, and how often it may repeat a domain.
        at: value of each covariate that the law reads.
        level: of the intervals.

    Raises:
        ConfigError: every run diverged.
    """
    tokens = int(runs.steps[-1]) * runs.tokens_per_step
    law = _at_scale(stored, at or {}, runs.parameters, tokens)
    with threadpool_limits(1):
        judged = [judge(law, trial, one, runs, PROPORTIONAL, level) for one in trial.proposals]
    said = {
        "level": level,
        "n_seeds": len(runs.jobs) // len(trial.names),
        "seeds": sorted({job.seed for job in runs.jobs}),
        "parameters": runs.parameters,
        "tokens": tokens,
        "dataset_tokens": limits[0],
        "max_epochs": limits[1],
        "mixtures": {
            label: named(stored.domains, shares)
            for label, shares in zip(trial.labels, trial.mixtures, strict=True)
        },
        "diverged": dict(runs.diverged),
        "proposals": judged,
    }
    if len(runs.diverged) == len(runs.jobs):
        raise ConfigError(f"{out}: every run diverged ({next(iter(runs.diverged.values()))}).")
    runs.write(Path(out) / "runs.parquet")
    write_json(Path(out) / "verify.json", said)
    return said


def _at_scale(
    stored: StoredLaw, at: Mapping[str, float], parameters: int, tokens: int
) -> StoredLaw:
    """The law at the scale of the runs, as far as it reads one and nobody said another.

    Raises:
        ConfigError: it reads something else, or nothing that was given.
    """
    scale = {"parameters": float(parameters), "tokens": float(tokens)}
    known = {name: scale[name] for name in stored.law.law.covariates if name in scale}
    return replace(stored, law=at_covariates(stored.law, known | dict(at)))
