"""`curate mix scale` and `autoscale`: from small and short runs to large and long ones."""

from __future__ import annotations

import click

from ...errors import ConfigError
from .. import options
from ..console import errors
from ..figures import show, tells
from . import given


def _amount(option: str, text: str | None) -> float | None:
    """A number such as 1B or 20M."""
    from ...budget import parse_tokens

    if text is None:
        return None
    try:
        return float(parse_tokens(text))
    except ConfigError as error:
        raise ConfigError(f"{option} wants a number, such as 1B or 20M. Got {text!r}.") from error


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path())
@click.option("--size", help="Parameters to predict at, such as 1B.")
@click.option("--steps", help="Step to predict at, where all runs read the same tokens a step.")
@click.option("--tokens", help="Tokens to predict at, such as 20B, in place of --steps.")
@click.option("--out", type=click.Path(), help="CSV file to write, a table that `fit` reads.")
@click.option(
    "--law",
    metavar="NAME",
    shell_complete=options.named("laws"),
    help="Fit this mixing law to the prediction, too; see `curate mix fit --help`. It is written "
    "beside --out, as .law.json.",
)
@click.option(
    "--from-step",
    default=1,
    show_default=True,
    type=click.IntRange(1),
    help="Leave out earlier steps: in the warm-up losses follow no power law.",
)
@click.option(
    "--to-step",
    type=click.IntRange(1),
    help="Leave out later steps: as the learning rate decays, losses fall faster than any power.",
)
@click.option(
    "--ends",
    is_flag=True,
    help="Use the last step of each run only: for runs of several lengths, each with its own "
    "decay.",
)
@options.seed
@tells
def scale(
    runs: tuple[str, ...],
    size: str | None,
    steps: str | None,
    tokens: str | None,
    out: str | None,
    law: str | None,
    from_step: int,
    to_step: int | None,
    ends: bool,
    seed: int,
) -> None:
    """Predict RUNS at a larger size and a later step.

    RUNS are one or several runs.parquet of the same design at several sizes. A power law of steps
    gives each mixture's losses at the target step, a power law of sizes takes them to the target
    size; runs of one size need no size, runs that share one step no step. How far off that was is
    told at the largest size and the last step that were trained, each predicted without it.

    Within one run with a cosine the last part falls faster than any power law: measure at the
    ends of runs of several lengths (--ends), or train with --schedule constant, or with wsd and
    --to-step before the decay.
    """
    from ...stages import mix
    from ...stages.mix.grid import Which
    from .figures import scaled_figures
    from .show_scaling import print_scaled

    with errors.status("fitting"):
        found = mix.scale(
            runs,
            out,
            size=_amount("--size", size),
            steps=_amount("--steps", steps),
            tokens=_amount("--tokens", tokens),
            law=law,
            which=Which(first=from_step, last=to_step, ends=ends),
            seed=seed,
        )
    show(scaled_figures(found, out), print_scaled, found, out)


_SCALE = "runs (CSV or parquet), a law of `fit`, or a mixture of `optimize`"


@click.command()
@click.option("--small", required=True, type=click.Path(), help=f"The smaller scale: {_SCALE}.")
@click.option("--small-tokens", help="Of a run there, where the file doesn't say.")
@click.option("--large", required=True, type=click.Path(), help="The larger scale, likewise.")
@click.option("--large-tokens", help="Of a run there, likewise.")
@click.option(
    "--tokens", help="Of the third scale, such as 20B.  [default: those of --observed, or N2² / N1]"
)
@click.option(
    "--observed",
    type=click.Path(),
    help="The third scale, likewise, where it ran: says how far off the prediction is.",
)
@options.out_file
@click.option(
    "--law",
    default="additive",
    show_default=True,
    metavar="NAME",
    shell_complete=options.named("laws"),
    help="That is fitted to runs. See `curate mix fit --help`.",
)
@click.option(
    "--weight",
    multiple=True,
    metavar="TARGET=W",
    help="Of a target, the others none; all the same if none is given.",
)
@click.option(
    "--floor",
    default=0.005,
    show_default=True,
    help="Least share of a domain in a law's optimum: growth from nothing is no ratio.",
)
@click.option("--extrapolate", is_flag=True, help="Admit shares that no run had.")
@options.seed
@tells
def autoscale(
    small: str,
    large: str,
    out: str,
    small_tokens: str | None,
    large_tokens: str | None,
    tokens: str | None,
    observed: str | None,
    law: str,
    weight: tuple[str, ...],
    floor: float,
    extrapolate: bool,
    seed: int,
) -> None:
    """Predict the best mixture of a third scale from two.

    AutoScale: each domain's tokens grow from the second scale to the third by the factor they
    grew by from the first to the second, N3 = N2² / N1. Scales differ in tokens; the optimum of a
    scale is that of its law, within the shares that its runs had.
    """
    from ...stages import mix
    from ...stages.mix.scales import Search
    from .show_scaling import print_autoscaled

    with errors.status("searching"):
        found = mix.autoscale(
            small,
            large,
            out,
            small_tokens=_amount("--small-tokens", small_tokens),
            large_tokens=_amount("--large-tokens", large_tokens),
            tokens=_amount("--tokens", tokens),
            observed=observed,
            search=Search(
                law=law,
                objective=given.numbers("--weight", weight) or None,
                floor=floor,
                extrapolate=extrapolate,
                seed=seed,
            ),
        )
    show({"file": out, **found}, print_autoscaled, found, out)
