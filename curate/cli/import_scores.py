"""`curate import`: take scores that exist already, as score tables."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from ..errors import ConfigError, ShardError
from . import options
from .console import progress, say
from .figures import show, tells
from .score import print_report, report_figures

if TYPE_CHECKING:
    from ..corpus import Corpus
    from ..stages.score_report import ScoreReport

_DIRECTIONS = {"higher": True, "lower": False, "none": None}


@click.group()
def command() -> None:
    """Make score tables of scores that exist already.

    They are score tables like any other: `select`, `combine`, `inspect` and `build` read them.
    Documents in = with a score + without one, by reason.
    """


_means = options.several(
    click.option(
        "--higher-is-better", "direction", flag_value="higher", help="top-k takes the greatest."
    ),
    click.option(
        "--lower-is-better", "direction", flag_value="lower", help="top-k takes the least."
    ),
    click.option(
        "--no-direction", "direction", flag_value="none", help="Neither end is better: no top-k."
    ),
    click.option("--unit", default="unknown unit", show_default=True, help="Of the scores."),
    options.out_directory,
    tells,
)


@command.command("column")
@options.tabulates_corpus
@click.option("--score-column", required=True, help="Holds the scores, which are numbers.")
@click.option("--name", help="Of the tables, a directory in --out.  [default: the column's]")
@_means
@click.option("--chunk-rows", default=8192, show_default=True, help="Documents in one checkpoint.")
@options.on_error
def column(corpus: Corpus, score_column: str, **kw: Any) -> None:
    """A column of the shards of INPUT, such as a classifier's.

    There need not be any texts. Null, NaN, an infinity, and in JSON lines a string, are reasons in
    place of a score. For `select inverse-propensity` the column must be called log_density.
    """

    def work(**rest: Any) -> ScoreReport:
        from ..stages.importing import import_column

        return import_column(corpus, score_column, **rest)

    _import(work, score_column, **kw)


@command.command("dolma")
@options.tabulates_corpus
@click.option(
    "--attributes",
    required=True,
    type=click.Path(),
    help="Directory of attribute files, named like those of INPUT: attributes/<name>.",
)
@click.option("--attribute", required=True, help="The key of one attribute in them.")
@click.option(
    "--spans",
    default="whole",
    show_default=True,
    type=click.Choice(["whole", "mean"]),
    help="The score of the span that is the whole document, or the mean, weighted by length.",
)
@click.option("--name", help="Of the tables, a directory in --out.  [default: the attribute's]")
@_means
@options.chunk_rows
@options.on_error
def dolma(corpus: Corpus, attributes: str, attribute: str, spans: str, **kw: Any) -> None:
    """An attribute of dolma's attribute files; INPUT is the directory documents/.

    Lines are joined to documents by id, in the order of both; a line that is of no document there
    makes the shard one that cannot be read.
    """

    def work(**rest: Any) -> ScoreReport:
        from ..stages.importing import import_attributes

        return import_attributes(corpus, attributes, attribute, spans=spans, **rest)

    _import(work, attribute, **kw)


def _import(
    work: Any,
    default: str,
    *,
    direction: str | None,
    name: str | None,
    unit: str,
    out: str,
    **kw: Any,
) -> None:
    from ..stages.importing import Meaning

    if direction is None:
        raise ConfigError(
            "Which end of the scores is better? Give --higher-is-better, --lower-is-better or "
            "--no-direction."
        )
    meaning = Meaning(
        name=default if name is None else name,
        higher_is_better=_DIRECTIONS[direction],
        unit=unit,
    )
    with progress() as heard:
        report = work(out=out, meaning=meaning, progress=heard, **kw)
    where = f"{out}/{report.scorer}"
    show(report_figures(report, where), print_report, report, where, "with a score")
    if report.documents and not report.scored:
        say(f"Warning: not one document has a score. Is {default} what holds it?")
    if report.failed:
        sys.exit(ShardError.exit_code)
