"""Is a mixture that a law proposes really better? From raw shards to trained proof, in one run.

1. Each domain is filtered: the best share of its documents by Ask-LLM of the toy model.
2. A swarm of small models is trained on designed mixtures of the filtered domains, and the same
   design on the domains as they came; all are judged on held-out documents of those kept.
3. A law is fitted to each swarm, and two objectives are optimised, neither of them the training
   proportions: half German manual and half code, and the plain average of the domains.
4. The proposals, the proportional mixture, uniform, UniMax and three random designs are trained
   with several seeds at the same scale, and at four times the parameters and tokens.
   What the law of the swarm says of the larger scale is one prediction; the other looks ahead
   from small and short runs, by a step law inside a size law inside the mixing law.
5. Does filtering change a domain's best share? Both optima, what each would cost under the
   filtered law, and what both measure when they are trained on filtered text. How far optima of
   two halves of the filtered runs lie apart says what of the difference is noise.

Ranks are among the mixtures of step 4, seven or eight; the proportional one is among the runs that
the law was fitted to. Predicted intervals are for the gain of one run over another, observed gains
means over seeds. Optima of half the runs lie farther apart than those of all would.

Killed, it goes on where it was. Mixtures obey one limit throughout: a dataset of as many tokens
as the larger scale reads, no domain repeated more than --max-epochs times.

    python -m bench.proof --corpus DIR [--runs 64] [--tokens 1M] [--seeds 3]
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import numpy as np

from curate.budget import parse_tokens
from curate.corpus import Corpus
from curate.stages import proxies
from mixing.verify import Estimate

from . import swarm as stacking
from .proof_job import OBJECTIVES, Mixtures, Proof
from .report import finish, print_table

_NARROW: dict[str, Any] = {"hidden": 32, "layers": 2, "heads": 1}
_PREDICTED = ("spearman", "gain_predicted", "gain_low", "gain_high")
_SUFFIX = {"target": "", "average": "_average"}


@contextmanager
def _timed(what: str, seconds: dict[str, float]) -> Iterator[None]:
    print(f"{what} …", flush=True)
    start = time.monotonic()
    yield
    seconds[what] = time.monotonic() - start


def _apart(one: dict[str, float], other: dict[str, float]) -> float:
    """Total variation between two mixtures."""
    return 0.5 * sum(abs(share - other[name]) for name, share in one.items())


def _figures(
    said: dict[str, Any], suffix: str, only: Sequence[str] | None = None
) -> dict[str, float]:
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
    return {
        name: float("nan") if value is None else value
        for name, value in figures.items()
        if only is None or name.startswith(tuple(only))
    }


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
    kept: Mixtures,
    raw: Mixtures,
    halves: Mixtures,
    said: dict[str, Any],
    trained: dict[str, dict[str, list[float]]],
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
        other = trained[f"unfiltered-{name}"]
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
        rungs={
            f"{name}-{share}": proxies.Swarm.of(
                **shape, tokens=parse_tokens(tokens) // share, measures=1, **common
            )
            for name, shape in (("base", {"size": size}), ("narrow", _NARROW))
            for share in (1, 2, 4)
            if name != "base" or share > 1
        },
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
            rows, speed = stacking.measure(repeats=repeats)
            print_table(stacking.COLUMNS, rows)
            figures |= {k: v for k, v in speed.items() if k.startswith("speedup")}
    with _timed("filter", seconds):
        proof.filter()
    with _timed("swarms", seconds):
        tables = proof.train_swarms()
    with _timed("laws", seconds):
        kept, raw = (proof.propose(tables[name]) for name in ("filtered", "unfiltered"))
        halves = proof.halves(tables["filtered"])
        fitted = tables["filtered"].with_suffix(".law.json")
    with _timed("looking ahead", seconds):
        ahead = proof.look_ahead(tables["filtered"])
    with _timed("verify small", seconds):
        said = proof.verify("small", fitted)
        trained = proof.measure({f"unfiltered-{name}": m for name, m in raw.items()})
    _print_verified(said, "small")
    figures |= _figures(said, "") | _filtering(kept, raw, halves, said, trained)
    with _timed("verify large", seconds):
        said = proof.verify("large", fitted)
    _print_verified(said, "large, predicted at the small scale")
    figures |= _figures(said, "_large")
    said = proof.verify("large", ahead)
    _print_verified(said, "large, predicted by looking ahead")
    figures |= _figures(said, "_large_ahead", only=_PREDICTED)
    figures |= {f"seconds_{what.replace(' ', '_')}": spent for what, spent in seconds.items()}
    (work / "figures.json").write_text(json.dumps(figures, indent=1))
    print()
    finish((), (), figures)


if __name__ == "__main__":
    main()
