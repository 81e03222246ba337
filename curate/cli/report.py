"""`curate report`: what a run holds, as one HTML page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..errors import ConfigError
from . import options
from .console import output, printable
from .figures import show, tells

if TYPE_CHECKING:
    from ..report import Written


@click.command()
@click.argument("run", nargs=-1, required=True, metavar="RUN...", type=click.Path())
@click.option("--out", required=True, type=click.Path(), help="HTML file to write.")
@options.may_take_corpus
@click.option("--train", help="Parameters of the model that the data is for, such as 7B.")
@click.option("--train-tokens", help="It will read, such as 1T.  [default: the dataset's]")
@click.option("--hardware", metavar="NAME", help="It is trained on; see `curate plan`.")
@click.option("--peak", type=float, help="FLOP/s of one device of other hardware.")
@click.option("--price", type=float, help="Of a device for an hour, in any currency.")
@click.option("--saves", metavar="SHARE", help="Of its cost, by filtering.  [default: as measured]")
@options.seed
@tells
def command(
    run: tuple[str, ...],
    out: str,
    train: str | None,
    train_tokens: str | None,
    hardware: str | None,
    peak: float | None,
    price: float | None,
    saves: str | None,
    **kw: Any,
) -> None:
    """Write one HTML page on what RUN holds: scores, selection, mixture, proxies, dataset.

    RUN is a directory that `curate run` or any other verb wrote to, or one that holds several of
    these. The page needs no network and no other file. With --corpus, what was scored, it shows
    documents: at percentiles of every scorer, and where two scorers disagree; `curate run` notes
    its corpus itself. With --train it holds the cost of scoring against that of the training run
    that the data is for.
    """
    from ..budget import parse_tokens
    from ..costs import Machine, Training, parse_parameters, parse_share
    from ..report import report

    about = {
        "--train-tokens": train_tokens,
        "--hardware": hardware,
        "--peak": peak,
        "--price": price,
        "--saves": saves,
    }
    given = [option for option, value in about.items() if value is not None]
    if train is None and given:
        raise ConfigError(f"{given[0]} is about the training run: give its model's size, --train.")
    training = None
    if train is not None:
        machine = None if hardware is None else Machine.of(hardware, peak, price=price)
        training = Training(
            parameters=parse_parameters(train),
            tokens=None if train_tokens is None else parse_tokens(train_tokens),
            machine=machine,
            saves=None if saves is None else parse_share(saves, "--saves"),
        )
    written = report(run, out, training=training, **kw)
    show(vars(written), _print_written, written)


def _print_written(written: Written) -> None:
    output.print(
        f"{len(written.sections)} sections ({', '.join(written.sections)}), "
        f"{written.n_bytes / 1e6:.1f} MB → {printable(written.path)}"
    )
