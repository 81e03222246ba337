"""The whole job: one pipeline file in, a dataset and a report out. Resumable at every stage.

OUT/scores/embeddings/  embedding tables, where a scorer reads them
OUT/scores/<scorer>/    score tables
OUT/selection/          what was kept
OUT/mix/                design.csv, proxies/, law.json, mixture.json, check.json, check.parquet
OUT/dataset/            shards and manifest
OUT/report.json         the table that ends a run
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..budget import parse_tokens
from ..config import Pipeline
from ..corpus import Corpus
from ..engines import Local
from ..errors import ConfigError
from ..files import digest, local_directory, write_json
from ..progress import Progress, Reporter, silent
from ..registry import make_embedder, make_point_scorer, make_scorer, reads_points
from ..tables import EMBEDDINGS
from . import build as building
from . import mix, proxies
from .embed import VectorColumn, embed
from .pipeline_report import report_of
from .points import score_points
from .proxy_text import BEFORE, KEPT
from .score import ScoreReport, score
from .select import select
from .selection import Selection

_COUNT_TOKENS = ("perplexity", "ask-llm", "rubric")


def run(pipeline: Pipeline, progress: Reporter = silent) -> dict[str, Any]:
    """Run, or go on with, the whole job.

    Args:
        pipeline: what to do.
        progress: told how far each stage is, and the whole, where stages are the shards; see
            `curate.progress`.

    Returns:
        The report: counts and shares by domain, predicted and measured losses, paths.

    Raises:
        ConfigError: the file asks for something else than an earlier run in the same directory.
        CorpusError: nothing can be read.
    """
    out = local_directory(pipeline.out)
    n_stages = pipeline.embeds + len(pipeline.score) + len(("select", "mix", "check", "build"))
    with Progress(progress, out, "run", out.name, n_stages, alike=False) as whole:
        report = _run(pipeline, out, progress, whole)
    write_json(out / "report.json", report)
    return report


def _run(pipeline: Pipeline, out: Path, progress: Reporter, whole: Progress) -> dict[str, Any]:
    corpus = make_corpus(pipeline)
    if pipeline.embeds:
        embed(
            corpus,
            make_embedding(pipeline),
            out / "scores",
            chunk_rows=pipeline.chunk_rows,
            progress=progress,
        )
        whole.finish("embed")
    scored = []
    for name in pipeline.score:
        scored.append(_score(pipeline, name, corpus, out / "scores", progress))
        whole.finish(f"score {name}")
    failed = {shard for report in scored for shard in report.failed}
    if failed:
        names = ", ".join(sorted(failed))
        whole.note(f"{len(failed)} shards could not be read and are left out: {names}")
    selection = _select(pipeline, out, progress)
    whole.finish("select")
    tokens = parse_tokens(pipeline.build.tokens)
    swarm = proxies.Swarm.of(**pipeline.mix.proxy)
    mixture = _mix(pipeline, corpus, out, tokens, swarm, progress)
    whole.finish("mix")
    check = _check(pipeline, corpus, out, mixture, swarm, progress)
    whole.finish("check")
    request = building.BuildRequest(
        mixture=mixture["mixture"],
        tokens=tokens,
        shards=pipeline.build.shards,
        format=pipeline.build.format,
        seed=pipeline.seed,
    )
    dataset = building.build(
        corpus,
        out / "selection",
        out / "dataset",
        request,
        scores=[out / "scores" / name for name in pipeline.score],
        progress=progress,
    )
    whole.finish("build")
    return report_of(pipeline, scored, selection, mixture, check, dataset)


def _score(
    pipeline: Pipeline, name: str, corpus: Corpus, out: Path, progress: Reporter
) -> ScoreReport:
    scorer: Any = _make(pipeline, name)
    if reads_points(pipeline.scorer(name)):
        spec, seed = scorer
        target = pipeline.score[name].options.get("target")
        return score_points(
            out / EMBEDDINGS, spec, out, name=name, target=target, seed=seed, progress=progress
        )
    rows = pipeline.chunk_rows
    return score(corpus, scorer, out, name=name, chunk_rows=rows, progress=progress)


def _make(pipeline: Pipeline, name: str) -> Any:
    """A scorer of texts; of one that reads embeddings, with the seed of its sample."""
    scorer = pipeline.scorer(name)
    make: Callable[..., Any] = make_point_scorer if reads_points(scorer) else make_scorer
    return make(scorer, **pipeline.score[name].options)


def make_embedding(pipeline: Pipeline) -> Any:
    """The embedder that a pipeline file names, or the column of vectors."""
    section = pipeline.embed
    if section.vector_column is not None:
        return VectorColumn(section.vector_column)
    return make_embedder(section.embedder, section.backend, **section.options)


def make_corpus(pipeline: Pipeline) -> Corpus:
    """The corpus a pipeline file names."""
    section = pipeline.corpus.model_dump()
    return Corpus(**{**section, "inputs": tuple(section["inputs"])})


def plan(pipeline: Pipeline) -> dict[str, Any]:
    """What a run would do: the resolved file, and the shards it would read."""
    shards = make_corpus(pipeline).shards
    if pipeline.embeds:
        make_embedding(pipeline)
    for name in pipeline.score:
        _make(pipeline, name)
    return {
        **pipeline.model_dump(),
        "shards": [f"{shard.name} ({shard.domain})" for shard in shards],
    }


def _select(pipeline: Pipeline, out: Path, progress: Reporter) -> dict[str, Any]:
    section = pipeline.select
    sizes = section.sizes_from or next(
        (name for name in pipeline.score if pipeline.scorer(name) in _COUNT_TOKENS), None
    )
    return select(
        out / "scores" / section.by,
        out / "selection",
        method=section.method,
        budget=section.amount,
        by_domain=section.by_domain,
        quotas=section.quotas,
        seed=pipeline.seed,
        options=section.sampler_options,
        column=section.column,
        at_least=section.at_least,
        at_most=section.at_most,
        max_per_group=section.max_per_group,
        group_by=section.group_by,
        sizes_from=None if sizes is None else out / "scores" / sizes,
        progress=progress,
    )


def _mix(
    pipeline: Pipeline,
    corpus: Corpus,
    out: Path,
    tokens: int,
    swarm: proxies.Swarm,
    progress: Reporter,
) -> dict[str, Any]:
    """Design, run, fit and optimise; the proposed mixture."""
    section, room, selection = pipeline.mix, out / "mix", out / "selection"
    room.mkdir(exist_ok=True)
    mix.design(
        selection,
        room / "design.csv",
        runs=section.design.runs,
        method=section.design.method,
        law=section.design.law,
        tokens=tokens,
        max_epochs=section.max_epochs,
        seed=pipeline.seed,
    )
    proxies.run(
        room / "design.csv",
        selection,
        corpus,
        room / "proxies",
        progress=progress,
        swarm=swarm,
        engine=Local(pipeline.workers),
    )
    mix.fit(
        room / "proxies" / "runs.parquet", room / "law.json", law=section.law, seed=pipeline.seed
    )
    return mix.optimize(
        room / "law.json",
        selection,
        room / "mixture.json",
        tokens=tokens,
        max_epochs=section.max_epochs,
        objective=section.objective,
        kl_strength=section.kl_strength,
    )


def _check(
    pipeline: Pipeline,
    corpus: Corpus,
    out: Path,
    mixture: dict[str, Any],
    swarm: proxies.Swarm,
    progress: Reporter,
) -> dict[str, list[float]]:
    """Measured losses, by seed, of proxies on the proposal and on what it is compared with.

    A seed with which one of them diverged is left out.
    """
    seeds, chosen = range(pipeline.mix.check_seeds), Selection(out / "selection")
    wanted = {
        "proposed": (KEPT, mixture["mixture"]),
        "proportional": (KEPT, mixture["proportional"]),
        "unfiltered": (BEFORE, mixture["unfiltered"]),
    }
    jobs = [
        proxies.Job(
            run=f"check-{name}-{digest(shares)[:8]}-{seed}",
            text=text,
            schedule=proxies.over_all(chosen, shares),
            seed=seed,
        )
        for name, (text, shares) in wanted.items()
        for seed in seeds
    ]
    runs = proxies.run_jobs(
        jobs,
        out / "selection",
        corpus,
        out / "mix" / "proxies",
        progress=progress,
        swarm=swarm,
        engine=Local(pipeline.workers),
    )
    weights = np.array([mixture["objective"].get(domain, 0.0) for domain in chosen.domains])
    means = (runs.losses @ (weights / weights.sum())).reshape(len(wanted), len(seeds))
    complete = np.isfinite(means).all(axis=0)  # gains are taken seed by seed
    if not complete.any():
        run, reason = next(iter(runs.diverged.items()))
        raise ConfigError(
            f"{out / 'mix'}: with every seed a run of the check diverged, such as {run} "
            f"({reason}). Lower mix.proxy.learning_rate, in another directory."
        )
    check = {name: row[complete].tolist() for name, row in zip(wanted, means, strict=True)}
    runs.write(out / "mix" / "check.parquet")
    write_json(out / "mix" / "check.json", check)
    return check
