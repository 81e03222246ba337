"""`curate inspect`: say what a directory holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import ConfigError
from .console import output, printable
from .tables import print_dataset, print_pipeline, print_runs, print_selection, table

if TYPE_CHECKING:
    from ..stages.correlate import Pair

_MOST_PLACES = 50


@click.command()
@click.argument(
    "directories",
    nargs=-1,
    required=True,
    metavar="DIRECTORY...",
    type=click.Path(),
)
@click.option(
    "--correlate", is_flag=True, help="Do the raters agree? Kendall's tau and Spearman's rho."
)
@click.option(
    "--errors",
    is_flag=True,
    help="Which documents have no score, and which shards could not be read: file, row, reason.",
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0, 2**32 - 1),
    help="Of the sample that --correlate takes of a large corpus.",
)
def command(directories: tuple[str, ...], correlate: bool, errors: bool, seed: int) -> None:
    """Say what DIRECTORY holds: scores, a selection, proxy runs, a dataset, or a whole job.

    With --correlate, say how far the scores in all of them agree: every pair of score tables, over
    the documents that both have a score for, or 500,000 of these drawn at random. With --errors,
    count what has no score by reason, with the first row of each in each shard.
    """
    if errors:
        if correlate:
            raise ConfigError("--errors and --correlate are two questions. Ask one at a time.")
        for directory in map(_directory, directories):
            _rejects(directory)
        return
    if correlate:
        _correlations([*map(_directory, directories)], seed)
        return
    for directory in map(_directory, directories):
        _show(directory)


def _directory(given: str) -> Path:
    """The place, local or in an object store.

    Raises:
        ConfigError: no directory there.
    """
    from ..places import place
    from ..remote import refusals

    where = place(given)
    with refusals(given):
        if where.is_dir():
            return where
        what = "a file" if where.exists() else "no such directory"
    raise ConfigError(f"{given}: {what}. Name a directory that curate wrote to.")


def _show(directory: Path) -> None:
    for marker, show in _SHOWS.items():
        if (directory / marker).exists():
            show(directory)
            return
    stores = sorted(directory.glob("*/_config.json"))
    if not stores:
        raise ConfigError(
            f"{directory}: nothing that curate wrote. Wanted one of {', '.join(_SHOWS)} in it."
        )
    for store in stores:
        _SHOWS[store.name](store.parent)


def _rejects(directory: Path) -> None:
    from ..stages.rejects import rejects

    for found in rejects(directory):
        without, n_failed = sum(found.reasons.values()), len(found.failed)
        output.print(
            f"{printable(found.name)}: {found.n_documents:,} documents, {without:,} of them "
            f"without a score; {n_failed:,} shard{'s' * (n_failed != 1)} could not be read"
        )
        if not found.is_finished:
            output.print("The run has not come to its end: run it again, it goes on.")
        if found.reasons:
            output.print(table(("reason", "documents"), [*found.reasons.items()]))
            rows = [(shard, row, why, n) for shard, row, why, n in found.places[:_MOST_PLACES]]
            output.print(table(("shard", "first row", "reason", "documents"), rows))
        if (more := len(found.places) - _MOST_PLACES) > 0:
            output.print(f"… and {more:,} more; the column reason of the tables has every row.")
        for shard, why in found.failed.items():
            output.print(f"Not read: {printable(shard)}: {printable(why)}")


def _correlations(directories: Sequence[Path], seed: int) -> None:
    from ..stages.correlate import correlate

    found = correlate(directories, seed=seed)
    sample = f"a uniform sample of {found.n_used:,} of " if found.n_used < found.n_documents else ""
    scored = "both raters" if len(found.names) == 2 else f"two or more of {len(found.names)} raters"
    output.print(
        f"Rank correlations over {sample}{found.n_documents:,} documents with scores of {scored}"
    )
    shown = {"Kendall tau-b": "tau", "Spearman rho": "rho"}
    if len({pair.n for pair in found.pairs}) > 1:
        shown["documents"] = "n"
    for title, coefficient in shown.items():
        rows = [
            (name, *(_coefficient(value, coefficient) for value in row))
            for name, row in zip(found.names, found.matrix(coefficient).tolist(), strict=True)
        ]
        output.print(table((title, *found.names), rows))
    known = sorted((p for p in found.pairs if not isnan(p.tau)), key=lambda pair: pair.tau)
    if len(known) == 1:
        output.print(_agreement(known[0]))
    elif known:
        output.print(f"Lowest tau:  {_agreement(known[0])}")
        output.print(f"Highest tau: {_agreement(known[-1])}")
    for told, raters in (
        ("Turned round, so that greater is better", found.turned),
        ("Neither end is better, so that the sign says nothing of agreement", found.directionless),
    ):
        if raters:
            output.print(f"{told}: {', '.join(map(printable, raters))}")


def _coefficient(value: float, which: str) -> str | None:
    if isnan(value):
        return None
    return f"{value:,.0f}" if which == "n" else f"{value:.3f}"


def _agreement(pair: Pair) -> str:
    """What to make of a pair's tau."""
    beyond = "agree" if pair.tau > 0 else "disagree"
    verdict = "no agreement" if abs(pair.tau) <= pair.chance else f"they {beyond} beyond chance"
    return (
        f"{printable(pair.one)} and {printable(pair.other)}, {pair.tau:.3f}: {verdict} (unrelated "
        f"raters: within ±{pair.chance:.3f} in 95 % of samples of {pair.n:,} documents)"
    )


def _configured(directory: Path) -> None:
    """Score tables, or proxy runs: both start with a configuration."""
    if any((directory / name).exists() for name in ("runs", "runs.parquet")):
        _proxies(directory)
        return
    from ..stages.describe import describe_scores

    described = describe_scores(directory)
    output.print(printable(described.headline))
    output.print(table(described.columns, described.rows))
    for line in described.notes:
        output.print(printable(line))


def _proxies(directory: Path) -> None:
    from ..runs import RunTable

    finished = len(list((directory / "runs").glob("*.json")))
    output.print(f"Proxy runs: {finished} finished")
    if (directory / "runs.parquet").exists():
        print_runs(RunTable.read(directory / "runs.parquet"))


def _selection(directory: Path) -> None:
    manifest = _json(directory / "_selection.json")
    request = manifest["request"]
    keys = ("quotas", "at_least", "at_most", "max_per_group")
    told = {**request.get("options", {}), **{key: request.get(key) for key in keys}}
    told.pop("higher_is_better", None)  # of the scores; no choice
    how = ", ".join(f"{key} {value}" for key, value in told.items() if value not in (None, {}))
    method = request["method"] + (f" ({how})" if how else "")
    amount = f", {request['budget']}" if request["budget"] else ""
    each = " of each domain" if request["by_domain"] else ""
    of = f"{request['scorer']} ({manifest['column']})"
    output.print(printable(f"Selection: {method} by {of}{amount}{each}"))
    print_selection(manifest, str(directory))


def _dataset(directory: Path) -> None:
    print_dataset(_json(directory / "manifest.json"), str(directory))


def _pipeline(directory: Path) -> None:
    print_pipeline(_json(directory / "report.json"), str(directory))


def _json(path: Path) -> Any:
    from ..files import read_json

    return read_json(path)


_SHOWS: dict[str, Callable[[Path], None]] = {
    "report.json": _pipeline,
    "manifest.json": _dataset,
    "_selection.json": _selection,
    "_config.json": _configured,
}
