"""`curate mix verify`: proposed mixtures trained beside those that they should beat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from .. import options
from ..console import output, printable, progress
from ..figures import show, tells
from ..tables import interval, table
from . import given
from .training import trains_proxies

if TYPE_CHECKING:
    from ...corpus import Corpus
    from ...engines import Engine
    from ...stages.proxies import Swarm


@click.command()
@click.argument("law", type=click.Path())
@options.takes_corpus
@click.option(
    "--mixture",
    "mixtures",
    required=True,
    multiple=True,
    type=click.Path(),
    help="File of `optimize`, or any JSON object of shares; repeatable, and what all are compared "
    "with is trained once.",
)
@options.selection
@options.out_directory
@trains_proxies
@click.option(
    "--seeds",
    "n_seeds",
    default=3,
    show_default=True,
    type=click.IntRange(1),
    help="Runs of each mixture; fewer than 3 make wide intervals, one none.",
)
@click.option(
    "--random",
    "n_random",
    default=3,
    show_default=True,
    type=click.IntRange(0),
    help="Mixtures drawn around the proportions.",
)
@click.option(
    "--max-epochs",
    type=float,
    help="Most repetitions of a domain, in UniMax and random mixtures.  [default: as the "
    "mixtures, or 4]",
)
@click.option(
    "--weight",
    multiple=True,
    metavar="TARGET=W",
    help="Of a target, the others none.  [default: what each mixture was optimised for]",
)
@given.at
@given.level
@options.seed
@tells
def verify(
    law: str,
    corpus: Corpus,
    mixtures: tuple[str, ...],
    selection: str,
    out: str,
    n_seeds: int,
    n_random: int,
    max_epochs: float | None,
    weight: tuple[str, ...],
    at: tuple[str, ...],
    level: float,
    seed: int,
    swarm: Swarm,
    engine: Engine,
) -> None:
    """Train proposed mixtures beside others, and judge LAW by them.

    Beside each --mixture the proportional, the uniform, UniMax and some random ones are trained on
    the selected documents of --corpus, with several seeds each: give the tokenizer and the share
    held out of the runs that LAW was fitted to, and their scale or another. It says so when a
    proposal is not better.
    """
    from ...stages import mix

    with progress() as heard:
        found = mix.verify(
            law,
            mixtures,
            selection,
            corpus,
            out,
            swarm=swarm,
            n_seeds=n_seeds,
            n_random=n_random,
            max_epochs=max_epochs,
            objective=given.numbers("--weight", weight) or None,
            at=given.numbers("--at", at),
            level=level,
            seed=seed,
            engine=engine,
            progress=heard,
        )
    show({"directory": out, **found}, print_verified, found, out)


def print_verified(found: dict[str, Any], where: str) -> None:
    """Each proposal's losses and gains, predicted beside observed, and what they come to."""
    output.print(
        f"Runs of {found['parameters']:,} parameters and {found['tokens']:,} tokens; intervals of "
        f"{found['level']:.0%}. A gain is the other mixture's loss minus that of the proposal."
    )
    for run, reason in found["diverged"].items():
        output.print(f"Left out: {printable(run)}: {printable(reason)}")
    for proposal in found["proposals"]:
        output.print()
        _print_proposal(proposal, found["level"])
    output.print(f"→ {printable(where)}/verify.json, {printable(where)}/runs.parquet")


def _print_proposal(proposal: dict[str, Any], level: float) -> None:
    weights = ", ".join(
        f"{target} {weight:.3g}" for target, weight in proposal["objective"].items()
    )
    output.print(f"{printable(proposal['label'])}, objective {printable(weights)}")
    losses: list[Sequence[object]] = [
        (
            label,
            f"{one['predicted']:.4f}",
            interval(one["predicted_interval"]),
            _fixed(one["observed"]),
            _fixed(one["standard_error"]),
            one["n_seeds"],
        )
        for label, one in proposal["losses"].items()
    ]
    columns = ("mixture", "predicted", "interval", "observed", "standard error", "seeds")
    output.print(table(columns, losses))
    rank = proposal["spearman"]
    correlation = "not defined" if rank is None else f"{rank:.3f}"
    output.print(
        f"Spearman's rank correlation of predicted and observed: {correlation} "
        f"({proposal['n_ranked']} mixtures)"
    )
    output.print()
    gains: list[Sequence[object]] = [
        (
            label,
            f"{one['predicted']:.4f}",
            interval(one["predicted_interval"]),
            _fixed(one["observed"]),
            interval(one["observed_interval"]),
            one["verdict"],
        )
        for label, one in proposal["gains"].items()
    ]
    columns = ("gain over", "predicted", "interval", "observed", f"{level:.0%} interval", "verdict")
    output.print(table(columns, gains))
    output.print()
    for sentence in proposal["said"]:
        output.print(printable(sentence))


def _fixed(value: float | None) -> str | None:
    return None if value is None else f"{value:.4f}"
