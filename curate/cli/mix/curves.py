"""`curate mix curves` and `schedule`: how fast mixtures learn, and what to read when."""

from __future__ import annotations

from typing import Any

import click

from ...errors import ConfigError
from .. import options
from ..console import errors, output, printable
from ..figures import show, tells
from . import given


@click.command()
@click.argument("runs", type=click.Path())
@click.option(
    "--target",
    "targets",
    multiple=True,
    metavar="TARGET,…",
    help="Measured on these, all the same; repeatable.  [default: all]",
)
@click.option(
    "--weight",
    multiple=True,
    metavar="TARGET=W",
    help="Of a target, the others none, in place of --target.",
)
@click.option("--threshold", type=float, help="A loss; prints the tokens until it is reached.")
@click.option(
    "--baseline",
    metavar="RUN",
    help="Compare other mixtures with that of this run: steps to match.",
)
@click.option(
    "--accuracy-like",
    "accuracies",
    multiple=True,
    metavar="TARGET,…",
    help="Targets that are accuracies and no losses: looked at for step changes; repeatable.",
)
@click.option(
    "--chance", default=0.0, show_default=True, help="Accuracy of guessing, for --accuracy-like."
)
@click.option(
    "--from-step",
    type=click.IntRange(1),
    help="Leave earlier steps out of slopes and step laws.  [default: a tenth of all]",
)
@click.option(
    "--to-step",
    type=click.IntRange(1),
    help="Leave out later ones: as the learning rate decays, losses fall faster than any power.",
)
@given.level
@click.option("--csv", "out", type=click.Path(), help="CSV file to write, one row a run.")
@tells
def curves(
    runs: str,
    targets: tuple[str, ...],
    weight: tuple[str, ...],
    accuracies: tuple[str, ...],
    from_step: int | None,
    to_step: int | None,
    out: str | None,
    **rest: Any,
) -> None:
    """Tell how fast the mixtures of RUNS learn.

    RUNS is a runs.parquet of `run`, or any such table. Runs of one mixture, size and length are
    taken together. Steps to match is the share of its steps after which a mixture has the final
    loss of the baseline; beside it is how many times its own steps the baseline would need for
    the final loss of the mixture. Both have intervals where runs are repeated over seeds that the
    baseline has, too.

    A learning rate that decays takes the share nearer to one than it is: train with --schedule
    constant, or with wsd and --to-step before the decay.
    """
    from ...curves import Curves
    from ...stages import mix
    from .show_curves import print_learned

    if targets and weight:
        raise ConfigError("--weight says which targets count: leave out --target.")
    objective = given.numbers("--weight", weight) or dict.fromkeys(given.listed(targets), 1.0)
    with errors.status("measuring"):
        found = mix.learn(
            Curves.read(runs),
            objective=objective or None,
            accuracies=given.listed(accuracies),
            first=from_step,
            last=to_step,
            **rest,
        )
        if out is not None:
            found.write(out)

    def print_all() -> None:
        print_learned(found)
        if out is not None:
            output.print(f"→ {printable(out)}")

    show({**vars(found), "file": out}, print_all)


@click.command()
@click.argument("mixture", required=False, type=click.Path())
@options.out_file
@click.option(
    "--start",
    type=click.Choice(["proportional", "uniform"]),
    help="Schedule this in place of MIXTURE, of what there is.  [default: proportional]",
)
@click.option(
    "--end",
    multiple=True,
    metavar="DOMAIN=SHARE",
    help="Share in the last part of training; domains not named share the rest; repeatable.",
)
@click.option(
    "--last",
    default=0.2,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="The last part, a share of training.",
)
@click.option(
    "--keep-mean", is_flag=True, help="Read less of it before, so that MIXTURE holds on average."
)
@click.option("--source", metavar="DOMAIN", help="May help --target: what to read first.")
@click.option("--target", metavar="DOMAIN", help="May be helped by --source.")
@click.option(
    "--relation",
    type=click.Choice(["none", "transfer", "dependency"]),
    help="How the target depends on the source; in place of --law.",
)
@click.option("--law", type=click.Path(), help="File of `fit`, which says how.")
@click.option("--loss", metavar="TARGET", help="Of the law.  [default: named as --target]")
@click.option(
    "--move", default=0.1, show_default=True, help="Share of the mixture the law is asked about."
)
@given.at
@given.level
@given.selection
@given.available
@click.option("--tokens", help="Of the whole of training, such as 5M; caps repetition.")
@options.max_epochs
@tells
def schedule(
    mixture: str | None,
    out: str,
    start: Any,
    end: tuple[str, ...],
    last: float,
    keep_mean: bool,
    tokens: str | None,
    selection: str | None,
    available: str | None,
    max_epochs: float,
    **order: Any,
) -> None:
    """Make a schedule of MIXTURE: which mixture is read when.

    With --end other shares in the last part of training. With --source and --target one domain
    before another: the target alone where the source does not help it (none), both in equal parts
    where it does (transfer), the source first and then the target where it helps more than the
    target's own text (dependency); --law decides which, and leaves MIXTURE as it is where it
    shows no help.

    `curate mix export` writes each phase like any mixture, `verify` trains the phases; other verbs
    read a schedule as the mixture over the whole of training.
    """
    from ...budget import parse_tokens
    from ...stages import mix
    from .show_curves import print_schedule

    if mixture is not None and start is not None:
        raise ConfigError("--start is in place of MIXTURE: leave out one of them.")
    with errors.status("asking the law"):
        found = mix.schedule(
            out,
            _rule(end, last, keep_mean, **order),
            mixture=mixture,
            start=start or "proportional",
            selection=selection,
            available=available,
            tokens=None if tokens is None else parse_tokens(tokens),
            max_epochs=max_epochs,
        )
    show({"file": out, **found}, print_schedule, found, out)


def _rule(
    end: tuple[str, ...],
    last: float,
    keep_mean: bool,
    *,
    source: str | None,
    target: str | None,
    at: tuple[str, ...],
    **order: Any,
) -> Any:
    """What comes when: an ending, or an order of two domains."""
    from ...stages.mix.scheduling import Ending, Order

    ordered = source is not None or target is not None
    if ordered == bool(end):
        raise ConfigError("What comes when? Give --end, or --source and --target; not both.")
    asked = any(order[name] is not None for name in ("relation", "law", "loss")) or at
    if end and asked:
        raise ConfigError("--relation, --law, --loss and --at go with --source and --target.")
    if ordered and keep_mean:
        raise ConfigError("--keep-mean goes with --end.")
    if end:
        return Ending(shares=given.numbers("--end", end), last=last, keep_mean=keep_mean)
    if source is None or target is None:
        raise ConfigError("--source and --target go together: give both.")
    return Order(source=source, target=target, at=given.numbers("--at", at), **order)
