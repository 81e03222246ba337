"""`curate combine`: one score out of those of several raters."""

from __future__ import annotations

from pathlib import Path

import click

from . import options
from .console import progress
from .figures import show, tells
from .score import print_report, report_figures

WAYS = ("mean", "weighted-sum", "mean-rank", "max-rank", "blend", "blend-rank")


@click.command()
@click.argument("raters", nargs=-1, required=True, type=click.Path(), metavar="RATER_DIR...")
@click.option(
    "--how",
    required=True,
    shell_complete=options.among(lambda: WAYS),
    help=f"{', '.join(WAYS[:-1])} or {WAYS[-1]}.",
)
@click.option(
    "--weight",
    "weights",
    multiple=True,
    metavar="NAME=W",
    help="Of one RATER_DIR, by its last name or in full; once for each.",
)
@click.option("--name", default="ensemble", show_default=True, help="Of the tables: OUT/<name>/.")
@options.out_directory
@options.seed
@tells
def command(
    raters: tuple[str, ...], how: str, weights: tuple[str, ...], name: str, out: str, seed: int
) -> None:
    """Make one score of those of several raters.

    RATER_DIR is a directory of score tables, such as scores/xl/ask-llm. All of them must describe
    the same documents. The result is a directory of score tables like any other.

    mean is of the scores as they are; mean-rank and max-rank of each rater's ranks over the whole
    corpus, from 0 to 1, the greater the better. blend and blend-rank take for each document what
    one rater says, drawn by lot; they are for raters that scored a share each (score --rater).

    weighted-sum adds the scores as they are, times their weights (--weight ask-llm=2 --weight
    perplexity=-0.1), and goes in the direction in which its raters get better. mean-rank takes
    weights too.
    """
    from ..stages.combine import combine

    weight_of = _by_rater(raters, weights) if weights else None
    with progress() as heard:
        report = combine(
            raters, out, how=how, weights=weight_of, name=name, seed=seed, progress=heard
        )
    where = f"{out}/{name}"
    show(report_figures(report, where), print_report, report, where)


def _by_rater(raters: tuple[str, ...], given: tuple[str, ...]) -> list[float]:
    """NAME=W as one weight for each rater, in their order."""
    from ..errors import ConfigError
    from ..registry import did_you_mean

    found: dict[str, float] = {}
    last_names = [Path(rater).name for rater in raters]
    for text in given:
        name, separator, number = text.rpartition("=")
        meant = [r for r in raters if Path(r) == Path(name)]
        meant = meant or [r for r, last in zip(raters, last_names, strict=True) if last == name]
        try:
            weight = float(number)
        except ValueError:
            separator = ""
        if not separator:
            raise ConfigError(f"A weight is NAME=W, such as ask-llm=2. Got {text!r}.")
        if not meant:
            raise ConfigError(f"No rater is called {name!r}. {did_you_mean(name, last_names)}")
        if len(meant) > 1:
            raise ConfigError(
                f"{name!r} may be any of {', '.join(meant)}. Name the directory in full."
            )
        if meant[0] in found:
            raise ConfigError(f"{meant[0]} has two weights. Give it one.")
        found[meant[0]] = weight
    missing = [rater for rater in raters if rater not in found]
    if missing:
        raise ConfigError(
            f"{missing[0]} has no weight. Give --weight for each rater, 0 to leave one out."
        )
    return [found[rater] for rater in raters]
