"""What `bench.proof` does, step by step: filter, train, fit, optimise, look ahead, verify."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from curate.cli.console import quiet_models
from curate.corpus import Corpus
from curate.engines import Local
from curate.progress import Note, Standing, Update
from curate.registry import make_scorer
from curate.runs import RunTable
from curate.stages import mix, proxies
from curate.stages.mix.grid import Which
from curate.stages.proxy_text import BEFORE, KEPT
from curate.stages.score import score
from curate.stages.select import select
from curate.stages.selection import Selection

Mixtures = dict[str, dict[str, float]]

OBJECTIVES: dict[str, dict[str, float] | None] = {
    "target": {"german": 0.5, "code": 0.5},
    "average": None,
}


@dataclass(frozen=True)
class Proof:
    """One run of the benchmark.

    Attributes:
        corpus: raw shards.
        work: directory of all that is written.
        swarm, small, large: what the proxies of the design and of each scale have in common.
        rungs: shapes and tokens smaller than the swarm's, by name, from which losses at the
            larger scale are predicted.
        tokens: of the dataset that mixtures are made for.
        max_epochs: how often it may repeat a domain.
        n_runs: of the design.
        n_seeds: of each verified mixture.
        keep: of each domain's documents.
        law: by its registered name, or "auto".
        workers: processes.
    """

    corpus: Corpus
    work: Path
    swarm: proxies.Swarm
    small: proxies.Swarm
    large: proxies.Swarm
    rungs: dict[str, proxies.Swarm]
    tokens: int
    max_epochs: float
    n_runs: int
    n_seeds: int
    keep: str
    law: str
    workers: int

    @property
    def selection(self) -> Path:
        """Where the filtered documents are."""
        return self.work / "selection"

    def filter(self) -> None:
        """Score every document, and keep the best of each domain."""
        quiet_models()
        scorer = make_scorer("ask-llm", model="demo", max_tokens=384, dtype="bfloat16")
        score(self.corpus, scorer, self.work / "scores", progress=say)
        select(
            self.work / "scores" / "ask-llm",
            self.selection,
            method="top-k",
            budget=self.keep,
            by_domain=True,
        )

    def train_swarms(self) -> dict[str, Path]:
        """Runs of the design on filtered and on unfiltered text: tables by name."""
        design = self.work / "design.csv"
        table = mix.design(
            self.selection, design, runs=self.n_runs, tokens=self.tokens, max_epochs=self.max_epochs
        )
        tables = {}
        for name, text in (("filtered", KEPT), ("unfiltered", BEFORE)):
            runs = self._run(self._jobs(table, text), self.work / "swarm", self.swarm)
            tables[name] = self.work / f"{name}.parquet"
            runs.write(tables[name])
        return tables

    def look_ahead(self, table: Path) -> Path:
        """The law at the larger scale, from small and short runs of every second mixture.

        A step law inside a size law inside the mixing law, of losses at the ends of runs: those
        of a table and of every rung.
        """
        design = RunTable.read(self.work / "design.csv")
        half = replace(design, names=design.names[::2], mixtures=design.mixtures[::2])
        tables = [table]
        for name, shape in self.rungs.items():
            out = self.work / f"rung-{name}"
            self._run(self._jobs(half, KEPT), out, shape).write(out / "runs.parquet")
            tables.append(out / "runs.parquet")
        scaled = mix.scale(
            tables,
            self.work / "ahead.csv",
            size=self.large.proxy.n_parameters,
            tokens=self.large.proxy.n_tokens,
            law=self.law,
            which=Which(ends=True),
        )
        checks = (("step", scaled.nested.steps), ("size", scaled.nested.sizes))
        for what, found in checks:
            if found is not None:
                print(
                    f"the last {what} that was trained, predicted without it: off by "
                    f"{found.error.mean():.4f}, the {what} before it by "
                    f"{found.error_constant.mean():.4f}"
                )
        assert scaled.law is not None
        return scaled.law

    def propose(self, table: Path) -> Mixtures:
        """Fit a law to a table of runs; the optimum of each objective."""
        law = table.with_suffix(".law.json")
        fitted = mix.fit(table, law, law=self.law).stored.law
        print(
            f"{table.stem}: {fitted.law.name}, {len(fitted.runs)} runs, held-out error "
            f"{np.mean(fitted.report.held_out_error):.4f} (constant "
            f"{np.mean(fitted.report.held_out_error_constant):.4f})"
        )
        return {
            name: mix.optimize(
                law,
                self.selection,
                self.proposal(table.stem, name),
                tokens=self.tokens,
                max_epochs=self.max_epochs,
                objective=objective,
            )["mixture"]
            for name, objective in OBJECTIVES.items()
        }

    def proposal(self, swarm: str, objective: str) -> Path:
        """File of a proposed mixture."""
        return self.work / f"{swarm}-{objective}.json"

    def verify(self, scale: str, law: Path) -> dict[str, Any]:
        """Predicted against observed at a scale, "small" or "large", for the filtered proposals."""
        return mix.verify(
            law,
            [self.proposal("filtered", name) for name in OBJECTIVES],
            self.selection,
            self.corpus,
            self.work / f"verify-{scale}",
            swarm=self.small if scale == "small" else self.large,
            n_seeds=self.n_seeds,
            engine=Local(self.workers),
            progress=say,
        )

    def measure(self, mixtures: Mixtures) -> dict[str, dict[str, list[float]]]:
        """Losses of further mixtures at the small scale: [seeds] by mixture and target."""
        chosen = Selection(self.selection)
        seeds = range(1, self.n_seeds + 1)  # those of `verify`
        jobs = [
            proxies.Job(
                run=f"{name}-{seed}",
                text=KEPT,
                schedule=proxies.over_all(chosen, mixture),
                seed=seed,
            )
            for name, mixture in mixtures.items()
            for seed in seeds
        ]
        runs = self._run(jobs, self.work / "verify-small", self.small)
        losses = runs.losses.reshape(len(mixtures), len(seeds), -1)
        return {
            name: dict(zip(runs.targets, own.T.tolist(), strict=True))
            for name, own in zip(mixtures, losses, strict=True)
        }

    def halves(self, table: Path) -> Mixtures:
        """The optima of laws fitted to each half of the runs: how far noise alone moves one."""
        runs = RunTable.read(table)
        order = np.random.default_rng(0).permutation(len(runs))
        found: Mixtures = {}
        for number, rows in enumerate(np.array_split(order, 2)):
            part = self.work / f"half-{number}.csv"
            names = [runs.names[row] for row in rows]
            RunTable(
                names, runs.domains, runs.mixtures[rows], runs.targets, runs.losses[rows]
            ).write(part)
            found |= {f"{name} {number}": m for name, m in self.propose(part).items()}
        return found

    def _jobs(self, design: RunTable, text: str) -> list[proxies.Job]:
        chosen = Selection(self.selection)
        return [
            proxies.Job(
                run=f"{text}-{run}",
                text=text,
                schedule=proxies.over_all(chosen, dict(zip(design.domains, row, strict=True))),
            )
            for run, row in zip(design.names, design.mixtures.tolist(), strict=True)
        ]

    def _run(self, jobs: list[proxies.Job], out: Path, shape: proxies.Swarm) -> proxies.ProxyRuns:
        return proxies.run_jobs(
            jobs,
            self.selection,
            self.corpus,
            out,
            swarm=shape,
            engine=Local(self.workers),
            progress=say,
        )


def say(update: Update) -> None:
    """Print a line for each stage that ends, and whatever else is worth a line."""
    if isinstance(update, Note):
        print(f"  {update.text}", flush=True)
    elif isinstance(update, Standing) and update.event != "progress":
        stage = update.started
        print(f"  {stage.stage} {stage.name}: {update.shards} of {stage.n_shards}", flush=True)
