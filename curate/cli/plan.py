"""`curate plan`: say what scoring will cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .console import output, printable
from .figures import show, tells

if TYPE_CHECKING:
    from ..costs import Cost
    from ..stages.planning import Plan


@click.command()
@click.option(
    "--scorer",
    "scorers",
    multiple=True,
    required=True,
    metavar="NAME=SIZE",
    help="A scorer and the parameters of its model, ask-llm=7B; of one that reads embeddings "
    "those of the embedder, density=110M; NAME alone where there is no model. Repeatable.",
)
@click.option("--tokens", required=True, help="Of all documents, such as 180B.")
@click.option("--train", help="Parameters of the model to be trained, such as 7B.")
@click.option("--train-tokens", help="It will read, such as 1T.")
@click.option(
    "--saves",
    metavar="SHARE",
    help="Of a training run's cost, by filtering: 0.3 where it needs 0.7 of the steps.",
)
@click.option(
    "--hardware",
    required=True,
    metavar="NAME",
    help="h100, h200, b200, a100, l4, mi300x, or any other with --peak.",
)
@click.option("--devices", default=1, show_default=True, type=click.IntRange(1), help="How many.")
@click.option("--peak", type=float, help="FLOP/s of one device, such as 2e11.")
@click.option(
    "--mfu", default=0.4, show_default=True, help="Share of the peak that scoring reaches."
)
@click.option(
    "--train-mfu", default=0.4, show_default=True, help="Share of the peak that training reaches."
)
@click.option("--price", type=float, help="Of a device for an hour, in any currency.")
@click.option(
    "--encoder-decoder",
    multiple=True,
    metavar="NAME",
    help="A scorer whose model is one: documents pass its encoder alone. Repeatable.",
)
@tells
def command(
    scorers: tuple[str, ...],
    tokens: str,
    train: str | None,
    train_tokens: str | None,
    saves: str | None,
    hardware: str,
    devices: int,
    peak: float | None,
    mfu: float,
    train_mfu: float,
    price: float | None,
    encoder_decoder: tuple[str, ...],
) -> None:
    """Say what scoring will cost, and after how many training runs it pays.

    Nothing is read or run: the figures follow from sizes, tokens and hardware.
    """
    from ..budget import parse_tokens
    from ..costs import Machine, parse_parameters, parse_share
    from ..errors import ConfigError
    from ..stages.planning import plan

    if (train is None) != (train_tokens is None):
        raise ConfigError("--train and --train-tokens are one training run: give both or neither.")
    if saves is not None and train is None:
        raise ConfigError("--saves is a share of a training run: give --train and --train-tokens.")
    found = plan(
        scorers,
        parse_tokens(tokens),
        Machine.of(hardware, peak, devices=devices, mfu=mfu, train_mfu=train_mfu, price=price),
        train=None
        if train is None or train_tokens is None
        else (parse_parameters(train), parse_tokens(train_tokens)),
        saves=None if saves is None else parse_share(saves, "--saves"),
        encoder_decoder=encoder_decoder,
    )
    show(found.as_dict(), print_plan, found)


def print_plan(found: Plan) -> None:
    """A row for each pass and for training, and when it pays."""
    from ..costs import amount, percent, short
    from .tables import table

    def row(name: str, size: int | None, cost: Cost) -> list[object]:
        share = found.share(cost)
        cells: list[object] = [name, None if size is None else short(size)]
        if not cost.flops:
            return [*cells, *[None] * (len(columns) - 2)]
        cells += [f"{cost.flops:.1e}", amount(cost.device_hours), amount(cost.hours)]
        cells += [] if cost.price is None else [amount(cost.price)]
        return cells + ([] if share is None else [percent(share)])

    machine = found.machine
    columns = ["", "parameters", "FLOPs", "device-hours", f"hours on {machine.devices}"]
    columns += [] if machine.price is None else ["price"]
    columns += [] if found.training is None else ["of training"]
    rows = [row(one.name, one.parameters, one.cost) for one in found.passes]
    if len(found.passes) > 1:
        rows.append(row("scoring", None, found.scoring))
    if found.training is not None:
        rows.append(row("training", found.train_parameters, found.training))
    trained = "" if found.train_tokens is None else f", {short(found.train_tokens)} trained on"
    output.print(
        f"{short(found.tokens)} tokens scored{trained}; {machine.devices} x "
        f"{printable(machine.name)}, each {machine.peak:.4g} FLOP/s: {machine.mfu:.0%} of it in "
        f"scoring, {machine.train_mfu:.0%} in training"
    )
    output.print(table(columns, rows))
    if found.payoff is not None and found.scoring.flops:
        output.print(found.payoff.said())
    for note in found.notes:
        output.print(printable(note))
