"""`curate mix`: design mixtures, run proxies, fit a law, optimise it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..registry import names
from . import options
from .console import output, printable, progress
from .tables import print_fit, print_mixture, print_runs

if TYPE_CHECKING:
    from ..corpus import Corpus


@click.group()
def command() -> None:
    """Set the share of each domain: design, run, fit, optimize."""


@command.command()
@options.selection
@options.out_file
@click.option("--runs", default=14, show_default=True, help="How many mixtures.")
@click.option(
    "--method",
    default="dirichlet",
    show_default=True,
    type=click.Choice(["dirichlet", "double-diminishing"]),
    help="Around the proportions, or on a grid of halvings.",
)
@click.option("--tokens", help="Size of the final dataset; caps repetition by --max-epochs.")
@options.max_epochs
@options.seed
def design(
    selection: str,
    out: str,
    runs: int,
    method: str,
    tokens: str | None,
    max_epochs: float,
    seed: int,
) -> None:
    """Choose the mixtures to train proxies on."""
    from ..budget import parse_tokens
    from ..stages import mix

    table = mix.design(
        selection,
        out,
        runs=runs,
        method=method,
        tokens=None if tokens is None else parse_tokens(tokens),
        max_epochs=max_epochs,
        seed=seed,
    )
    print_runs(table)
    output.print(f"→ {printable(out)}")


@command.command()
@options.reads_corpus
@options.selection
@click.option("--design", required=True, type=click.Path(), help="CSV file of mixtures.")
@options.out_directory
@click.option("--tokenizer", help="Directory or hub name.  [default: the toy's]")
@click.option("--held-out", type=float, help="Share of documents to judge on.  [default: .1]")
@click.option("--hidden", type=int, help="Width of the proxy.")
@click.option("--layers", type=int, help="Depth of the proxy.")
@click.option("--heads", type=int, help="Attention heads.")
@click.option("--length", type=int, help="Tokens in a sequence.")
@click.option("--batch", type=int, help="Sequences in a step.")
@click.option("--steps", type=int, help="Steps of training.")
@click.option("--learning-rate", type=float, help="Peak, of AdamW.")
@click.option("--workers", default=2, show_default=True, help="Processes of one thread each.")
def run(corpus: Corpus, selection: str, design: str, out: str, workers: int, **kw: Any) -> None:
    """Train one proxy for each mixture of a design, on the selected documents of INPUT."""
    from ..stages import proxies

    with progress() as say:
        table = proxies.run(
            design,
            selection,
            corpus,
            out,
            swarm=proxies.Swarm.of(**{k: v for k, v in kw.items() if v is not None}),
            workers=workers,
            progress=say,
        )
    print_runs(table)
    output.print(f"→ {printable(out)}/runs.csv")


@command.command()
@click.argument("runs", type=click.Path())
@options.out_file
@click.option(
    "--law", default="additive", show_default=True, type=click.Choice(names("laws")), help="Which."
)
@options.seed
def fit(runs: str, out: str, law: str, seed: int) -> None:
    """Fit a law to RUNS, a CSV file: columns run, share/<domain>, …, loss/<target>, and so on."""
    from ..stages import mix

    print_fit(mix.fit(runs, out, law=law, seed=seed), out)


@command.command()
@click.argument("law", type=click.Path())
@options.selection
@options.out_file
@click.option("--tokens", required=True, help="Size of the final dataset, such as 5M.")
@options.max_epochs
@click.option(
    "--weight", multiple=True, metavar="TARGET=W", help="Of a target; all the same if none."
)
@click.option("--extrapolate", is_flag=True, help="Admit shares that no run had.")
@click.option(
    "--kl-strength", default=0.0, show_default=True, help="Pull to the proportions, nats."
)
def optimize(
    law: str,
    selection: str,
    out: str,
    tokens: str,
    max_epochs: float,
    weight: tuple[str, ...],
    kl_strength: float,
    extrapolate: bool,
) -> None:
    """Find the mixture of least predicted loss that what was kept can supply."""
    from ..budget import parse_tokens
    from ..stages import mix

    mixture = mix.optimize(
        law,
        selection,
        out,
        tokens=parse_tokens(tokens),
        max_epochs=max_epochs,
        objective=dict(map(_weight, weight)) or None,
        kl_strength=kl_strength,
        extrapolate=extrapolate,
    )
    print_mixture(mixture, out)


def _weight(text: str) -> tuple[str, float]:
    target, equals, value = text.rpartition("=")
    try:
        return target, float(value if equals else "?")
    except ValueError as error:
        raise click.BadParameter(f"wanted TARGET=NUMBER, got {text!r}") from error
