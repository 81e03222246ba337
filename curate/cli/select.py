"""`curate select`: keep the documents a budget has room for."""

from __future__ import annotations

import click

from ..registry import names
from . import options
from .tables import print_selection


@click.command()
@click.argument("method", type=click.Choice(names("samplers")))
@click.option(
    "--scores", required=True, type=click.Path(), help="Directory of one scorer's tables."
)
@click.option(
    "--budget", required=True, help="30%, 30%tok, 20000docs, 5Mtok or 2Gbytes; shares count scored."
)
@click.option(
    "--part",
    type=click.Choice(["lowest", "middle", "highest"]),
    help="Of the scores; for band.  [default: middle]",
)
@click.option("--column", help="Of the tables, to select by in place of the score; for band.")
@click.option("--by-domain", is_flag=True, help="The same share of every domain.")
@click.option(
    "--sizes-from", type=click.Path(), help="Tables that count tokens, where scores don't."
)
@options.out_directory
@options.seed
def command(
    method: str,
    scores: str,
    budget: str,
    part: str | None,
    column: str | None,
    by_domain: bool,
    sizes_from: str | None,
    out: str,
    seed: int,
) -> None:
    """Keep the documents that come first in METHOD's order, as far as the budget goes.

    top-k takes the better end of the scores; inverse-propensity the rare, by the scores of
    density; random any. band takes the lowest, the middle or the highest scores: lowest is the
    smallest numbers, whichever end is better.
    """
    from ..stages.select import select

    manifest = select(
        scores,
        out,
        method=method,
        budget=budget,
        by_domain=by_domain,
        seed=seed,
        sizes_from=sizes_from,
        options={} if part is None else {"part": part},
        column=column,
    )
    print_selection(manifest, out)
