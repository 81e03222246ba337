"""Is a mixture that a law proposes really better? From raw shards to trained proof, in one run.

1. Each domain is filtered: the best share of its documents by Ask-LLM of the toy model.
2. A swarm of small models is trained on designed mixtures of the filtered domains, and the same
   design on the domains as they came; all are judged on held-out documents of those kept.
3. A law is fitted to each swarm, and two objectives are optimised, neither of them the training
   proportions: half German manual and half code, and the plain average of the domains.
4. The proposals, the proportional mixture, uniform, UniMax and three random designs are trained
   with several seeds at the same scale, and at four times the parameters and tokens.
5. Does filtering change a domain's best share? Both optima, what each would cost under the
   filtered law, and what both measure when they are trained on filtered text. How far optima of
   two halves of the filtered runs lie apart says what of the difference is noise.

Killed, it goes on where it was. Mixtures obey one limit throughout: a dataset of as many tokens
as the larger scale reads, no domain repeated more than --max-epochs times.

    python -m bench.proof --corpus DIR [--runs 64] [--tokens 1M] [--seeds 3]
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from curate.budget import parse_tokens
from curate.cli.console import quiet_models
from curate.corpus import Corpus
from curate.registry import make_scorer
from curate.runs import RunTable
from curate.stages import mix, proxies
from curate.stages.proxy_text import BEFORE, KEPT
from curate.stages.score import score
from curate.stages.select import select
from curate.stages.selection import Selection
from mixing.verify import Estimate

from . import swarm as stacking
from .report import finish, print_table

FloatArray = NDArray[np.float64]
Mixtures = dict[str, dict[str, float]]

OBJECTIVES: dict[str, dict[str, float] | None] = {
    "target": {"german": 0.5, "code": 0.5},
    "average": None,
}
_SUFFIX = {"target": "", "average": "_average"}


@dataclass(frozen=True)
class Proof:
    """One run of the benchmark.

    Attributes:
        corpus: raw shards.
        work: directory of all that is written.
        swarm, small, large: what the proxies of the design and of each scale have in common.
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
        score(self.corpus, scorer, self.work / "scores", progress=_say)
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
        chosen = Selection(self.selection)
        tables = {}
        for name, text in (("filtered", KEPT), ("unfiltered", BEFORE)):
            jobs = [
                proxies.Job(
                    run=f"{text}-{run}",
                    text=text,
                    schedule=proxies.over_all(chosen, dict(zip(table.domains, row, strict=True))),
                )
                for run, row in zip(table.names, table.mixtures.tolist(), strict=True)
            ]
            runs = self._run(jobs, self.work / "swarm", self.swarm)
            tables[name] = self.work / f"{name}.parquet"
            runs.write(tables[name])
        return tables

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

    def verify(self, scale: str, also: Mixtures) -> dict[str, Any]:
        """Predicted against observed at a scale; with what further mixtures measured."""
        shape = self.small if scale == "small" else self.large
        said = mix.verify(
            self.work / "filtered.law.json",
            [self.proposal("filtered", name) for name in OBJECTIVES],
            self.selection,
            self.corpus,
            self.work / f"verify-{scale}",
            swarm=shape,
            n_seeds=self.n_seeds,
            workers=self.workers,
            progress=_say,
        )
        chosen = Selection(self.selection)
        jobs = [
            proxies.Job(
                run=f"{name}-{seed}",
                text=KEPT,
                schedule=proxies.over_all(chosen, mixture),
                seed=seed,
            )
            for name, mixture in also.items()
            for seed in range(1, self.n_seeds + 1)
        ]
        if jobs:
            runs = self._run(jobs, self.work / f"verify-{scale}", shape)
            losses = runs.losses.reshape(len(also), self.n_seeds, -1)
            said["also"] = {
                name: dict(zip(runs.targets, own.T.tolist(), strict=True))
                for name, own in zip(also, losses, strict=True)
            }
        return said

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

    def _run(self, jobs: list[proxies.Job], out: Path, shape: proxies.Swarm) -> proxies.ProxyRuns:
        return proxies.run_jobs(
            jobs,
            self.selection,
            self.corpus,
            out,
            swarm=shape,
            workers=self.workers,
            progress=_say,
        )


def _say(text: str) -> None:
    print(f"  {text}", flush=True)


@contextmanager
def _timed(what: str, seconds: dict[str, float]) -> Iterator[None]:
    print(f"{what} …", flush=True)
    start = time.monotonic()
    yield
    seconds[what] = time.monotonic() - start


def _apart(one: dict[str, float], other: dict[str, float]) -> float:
    """Total variation between two mixtures."""
    return 0.5 * sum(abs(share - other[name]) for name, share in one.items())


def _figures(said: dict[str, Any], suffix: str) -> dict[str, float]:
    """What one scale says of both proposals, under the names of the last line."""
    figures: dict[str, float | None] = {}
    for own, objective in zip(said["proposals"], OBJECTIVES, strict=True):
        end = _SUFFIX[objective] + suffix
        over = own["default"]
        gain, steps = own["gains"][over], own["steps_to_match"]
        low, high = gain["predicted_interval"]
        figures |= {
            f"spearman{end}": own["spearman"],
            f"gain_observed{end}": gain["observed"],
            f"gain_observed_low{end}": gain["observed_interval"][0],
            f"gain_observed_high{end}": gain["observed_interval"][1],
            f"gain_predicted{end}": gain["predicted"],
            f"gain_low{end}": low,
            f"gain_high{end}": high,
            f"rank_of_proposal{end}": own["rank"],
            f"n_ranked{end}": own["n_ranked"],
            f"steps_to_match{end}": steps and steps["share"],
        }
    return {name: float("nan") if value is None else value for name, value in figures.items()}


def _print_verified(said: dict[str, Any], scale: str) -> None:
    for own in said["proposals"]:
        counted = ", ".join(f"{w:.2g} {t}" for t, w in own["objective"].items())
        print(
            f"\n{scale}: {said['parameters']:,} parameters, {said['tokens']:,} tokens, "
            f"{said['n_seeds']} seeds. Objective: {counted}"
        )
        print_table(
            ("mixture", "predicted", "observed", "standard error", "gain of the proposal"),
            [
                [
                    name,
                    loss["predicted"],
                    loss["observed"],
                    loss["standard_error"],
                    own["gains"][name]["observed"] if name in own["gains"] else "",
                ]
                for name, loss in own["losses"].items()
            ],
        )
        print(*own["said"], sep="\n")


def _filtering(
    kept: Mixtures, raw: Mixtures, halves: Mixtures, said: dict[str, Any]
) -> dict[str, float]:
    """Both optima side by side, and whether they differ by more than noise."""
    figures: dict[str, float] = {}
    for own, (name, end) in zip(said["proposals"], _SUFFIX.items(), strict=True):
        print(f"\nDoes filtering change the best mixture? Objective: {name}")
        print_table(
            ("domain", "filtered", "unfiltered", "half of the runs", "the other half"),
            [
                [d, kept[name][d], raw[name][d], halves[f"{name} 0"][d], halves[f"{name} 1"][d]]
                for d in kept[name]
            ],
        )
        observed = own["losses"][own["label"]]["observed_by_seed"]
        weights = own["objective"]
        other = said["also"][f"unfiltered-{name}"]
        theirs = sum(w * np.array(other[t]) for t, w in weights.items())
        worse = Estimate.of(theirs - np.array(observed, np.float64), said["level"])
        moved = _apart(kept[name], raw[name])
        noise = _apart(halves[f"{name} 0"], halves[f"{name} 1"])
        print(
            f"They are {moved:.3f} apart (total variation); optima of two halves of the filtered "
            f"runs, {noise:.3f}. Trained on filtered text, the unfiltered optimum loses "
            f"{worse.mean:.4f} ({worse.low:.4f} to {worse.high:.4f})."
        )
        figures |= {
            f"filtering_moves{end}": moved,
            f"filtering_noise{end}": noise,
            f"filtering_costs{end}": worse.mean,
            f"filtering_costs_low{end}": worse.low,
            f"filtering_costs_high{end}": worse.high,
        }
    return figures


@click.command()
@click.option("--corpus", required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--work", default="work/bench-proof", show_default=True, type=click.Path(path_type=Path)
)
@click.option("--runs", default=64, show_default=True, help="Mixtures of the design.")
@click.option("--size", default="0.1M", show_default=True, help="Of the swarm's models.")
@click.option("--tokens", default="1M", show_default=True, help="That each of them reads.")
@click.option("--large-size", default="0.4M", show_default=True)
@click.option("--large-tokens", default="4M", show_default=True)
@click.option("--seeds", default=3, show_default=True, help="Runs of each verified mixture.")
@click.option("--keep", default="75%", show_default=True, help="Of each domain's documents.")
@click.option("--max-epochs", default=4.0, show_default=True)
@click.option("--law", default="auto", show_default=True)
@click.option("--precision", default="bfloat16", show_default=True)
@click.option("--workers", default=2, show_default=True)
@click.option("--repeats", default=3, show_default=True, help="Of the speed comparison; 0: none.")
def main(
    corpus: Path,
    work: Path,
    runs: int,
    size: str,
    tokens: str,
    large_size: str,
    large_tokens: str,
    seeds: int,
    keep: str,
    max_epochs: float,
    law: str,
    precision: str,
    workers: int,
    repeats: int,
) -> None:
    """Filter, design, train, fit, optimise, verify at two scales, and print what was found."""
    common: dict[str, Any] = {"tokenizer": "corpus", "batch": 16, "precision": precision}
    proof = Proof(
        corpus=Corpus(inputs=(str(corpus / "*" / "*.parquet"),)),
        work=work,
        swarm=proxies.Swarm.of(size=size, tokens=tokens, measures=2, **common),
        small=proxies.Swarm.of(size=size, tokens=tokens, measures=10, **common),
        large=proxies.Swarm.of(size=large_size, tokens=large_tokens, measures=12, **common),
        tokens=parse_tokens(large_tokens),
        max_epochs=max_epochs,
        n_runs=runs,
        n_seeds=seeds,
        keep=keep,
        law=law,
        workers=workers,
    )
    work.mkdir(parents=True, exist_ok=True)
    seconds: dict[str, float] = {}
    figures: dict[str, float] = {}
    if repeats:
        with _timed("speed", seconds):
            figures["speedup_stacked"] = stacking.measure(stacks=(32,), repeats=repeats)[1][
                "speedup_stacked"
            ]
    with _timed("filter", seconds):
        proof.filter()
    with _timed("swarms", seconds):
        tables = proof.train_swarms()
    with _timed("laws", seconds):
        kept, raw = (proof.propose(tables[name]) for name in ("filtered", "unfiltered"))
        halves = proof.halves(tables["filtered"])
    for scale in ("small", "large"):
        also = {f"unfiltered-{name}": m for name, m in raw.items()} if scale == "small" else {}
        with _timed(f"verify {scale}", seconds):
            said = proof.verify(scale, also)
        _print_verified(said, scale)
        figures |= _figures(said, "" if scale == "small" else "_large")
        if also:
            figures |= _filtering(kept, raw, halves, said)
    figures |= {f"seconds_{what.replace(' ', '_')}": spent for what, spent in seconds.items()}
    (work / "figures.json").write_text(json.dumps(figures, indent=1))
    print()
    finish((), (), figures)


if __name__ == "__main__":
    main()
