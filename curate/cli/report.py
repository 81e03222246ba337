"""`curate report`: what a run holds, as one HTML page."""

from __future__ import annotations

from typing import Any

import click

from . import options
from .console import output, printable


@click.command()
@click.argument("run", nargs=-1, required=True, metavar="RUN...", type=click.Path())
@click.option("--out", required=True, type=click.Path(), help="HTML file to write.")
@options.may_take_corpus
@options.seed
def command(run: tuple[str, ...], out: str, **kw: Any) -> None:
    """Write one HTML page on what RUN holds: scores, selection, mixture, proxies, dataset.

    RUN is a directory that `curate run` or any other verb wrote to, or one that holds several of
    these. The page needs no network and no other file. With --corpus, what was scored, it shows
    documents: at percentiles of every scorer, and where two scorers disagree; `curate run` notes
    its corpus itself.
    """
    from ..report import report

    written = report(run, out, **kw)
    output.print(
        f"{len(written.sections)} sections ({', '.join(written.sections)}), "
        f"{written.n_bytes / 1e6:.1f} MB → {printable(written.path)}"
    )
