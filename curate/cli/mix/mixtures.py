"""`curate mix optimize` and `export`: the mixture that a law favours, for training code."""

from __future__ import annotations

from typing import Any

import click

from ...errors import ConfigError
from .. import options
from ..console import errors, output, printable
from ..figures import show, tells
from . import given


@click.command()
@click.argument("law", type=click.Path())
@given.selection
@given.available
@click.option(
    "--prior",
    type=click.Path(),
    help="JSON file of a mixture: what the gain is measured from and --kl-strength pulls to.  "
    "[default: the proportions]",
)
@options.out_file
@click.option("--tokens", help="Size of the final dataset, such as 5M; caps repetition.")
@options.max_epochs
@click.option(
    "--weight",
    multiple=True,
    metavar="TARGET=W",
    help="Of a target, the others none; all the same if none is given.",
)
@click.option("--lower", multiple=True, metavar="DOMAIN=SHARE", help="Least share; repeatable.")
@click.option("--upper", multiple=True, metavar="DOMAIN=SHARE", help="Greatest share; repeatable.")
@click.option(
    "--floor",
    multiple=True,
    metavar="DOMAIN,…=SHARE",
    help="Least share of several domains together, such as real text; repeatable.",
)
@click.option("--extrapolate", is_flag=True, help="Admit shares that no run had.")
@click.option(
    "--kl-strength",
    default=0.0,
    show_default=True,
    help="Pull to the prior, in the unit of the losses.",
)
@click.option(
    "--method",
    type=click.Choice(["descent", "simulate"]),
    help="simulate: RegMix's average of the best of many random mixtures.  [default: descent, "
    "where the law has slopes]",
)
@given.at
@given.level
@options.seed
@tells
def optimize(
    law: str,
    out: str,
    tokens: str | None,
    weight: tuple[str, ...],
    lower: tuple[str, ...],
    upper: tuple[str, ...],
    floor: tuple[str, ...],
    at: tuple[str, ...],
    **rest: Any,
) -> None:
    """Find the mixture of least predicted loss.

    What there is to mix says --selection or --available, and limits the shares with --tokens and
    --max-epochs; with --prior alone only the bounds do. No domain gets less or more than in some
    run unless --extrapolate, --lower or --upper says so.
    """
    from ...budget import parse_tokens
    from ...stages import mix
    from .show import print_mixture

    floors = given.numbers("--floor", floor)
    with errors.status("searching"):
        mixture = mix.optimize(
            law,
            out=out,
            tokens=None if tokens is None else parse_tokens(tokens),
            objective=given.numbers("--weight", weight) or None,
            lower=given.numbers("--lower", lower),
            upper=given.numbers("--upper", upper),
            floors=[(given.listed([names]), share) for names, share in floors.items()],
            at=given.numbers("--at", at),
            **rest,
        )
    show({"file": out, **mixture}, print_mixture, mixture, out)


@click.command()
@click.argument("mixture", type=click.Path())
@click.option(
    "--format",
    "form",
    required=True,
    type=click.Choice(["megatron", "datasets", "olmo", "json", "yaml"]),
    help="Megatron-LM's --data-path, Python for interleave_datasets, OLMo-core's source list, or "
    "shares by domain.",
)
@click.option(
    "--out",
    type=click.Path(),
    help="File to write; a directory for a schedule of several phases.  [default: print]",
)
@click.option(
    "--path",
    multiple=True,
    metavar="DOMAIN=PATH",
    help="Where a domain's data is; repeatable, for one domain too.  [default: its name]",
)
def export(mixture: str, form: str, out: str | None, path: tuple[str, ...]) -> None:
    """Write a MIXTURE as training code reads it.

    MIXTURE is the file of `optimize` or `schedule`, or any JSON object of shares by domain.
    Weights have six decimals and sum to one exactly as written; domains of weight zero are left
    out. A schedule is written phase by phase.
    """
    from ...stages import mix

    paths: dict[str, list[str]] = {}
    for text in path:
        domain, equals, where = text.partition("=")
        if not (domain and equals and where):
            raise ConfigError(f"--path wants DOMAIN=PATH, such as code=data/code. Got {text!r}.")
        paths.setdefault(domain, []).append(where)
    text = mix.export(mixture, form, out, paths=paths)
    if out is None:
        click.echo(text, nl=False)
    else:
        output.print(f"→ {printable(out)}")
