"""`curate inspect`: say what a directory holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import ConfigError
from .console import output, printable
from .figures import show, tells
from .tables import (
    print_dataset,
    print_pipeline,
    print_runs,
    print_selection,
    runs_figures,
    table,
)

if TYPE_CHECKING:
    from ..stages.correlate import Correlations, Pair
    from ..stages.describe import Description
    from ..stages.rejects import Rejects

_MOST_PLACES = 50
_NAMES = {
    "no score": "without_score",
    "no embedding": "without_embedding",
    "5 %": "percentile_5",
    "95 %": "percentile_95",
}
"""Names of columns for people, as figures are named."""


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
@tells
def command(directories: tuple[str, ...], correlate: bool, errors: bool, seed: int) -> None:
    """Say what DIRECTORY holds: scores, a selection, proxy runs, a dataset, or a whole job.

    With --correlate, say how far the scores in all of them agree: every pair of score tables, over
    the documents that both have a score for, or 500,000 of these drawn at random. With --errors,
    count what has no score by reason, with the first row of each in each shard.
    """
    if errors and correlate:
        raise ConfigError("--errors and --correlate are two questions. Ask one at a time.")
    if correlate:
        _correlations([*map(_directory, directories)], seed)
        return
    asked = _rejects if errors else _held
    held = [one for directory in map(_directory, directories) for one in asked(directory)]
    figures = [{"directory": one.directory, **one.figures} for one in held]

    def print_all() -> None:
        for one in held:
            one.show()

    show({"directories": figures}, print_all)


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


@dataclass(frozen=True)
class _Held:
    """What a directory holds: as figures, and how they are printed."""

    directory: Path
    figures: Mapping[str, Any]
    show: Callable[[], None]


def _held(directory: Path) -> list[_Held]:
    for marker, look in _LOOKS.items():
        if (directory / marker).exists():
            return [look(directory)]
    stores = sorted(directory.glob("*/_config.json"))
    if not stores:
        raise ConfigError(
            f"{directory}: nothing that curate wrote. Wanted one of {', '.join(_LOOKS)} in it."
        )
    return [_LOOKS[store.name](store.parent) for store in stores]


def _rejects(directory: Path) -> list[_Held]:
    from ..stages.rejects import rejects

    columns = ("shard", "row", "reason", "documents")
    return [
        _Held(
            directory,
            {**vars(one), "places": [dict(zip(columns, row, strict=True)) for row in one.places]},
            partial(_print_rejects, one),
        )
        for one in rejects(directory)
    ]


def _print_rejects(found: Rejects) -> None:
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
    show(vars(found), _print_correlations, found)


def _print_correlations(found: Correlations) -> None:
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


def _configured(directory: Path) -> _Held:
    """Score tables, or proxy runs: both start with a configuration."""
    if any((directory / name).exists() for name in ("runs", "runs.parquet")):
        return _proxies(directory)
    from ..stages.describe import describe_scores

    described = describe_scores(directory)
    names = [_NAMES.get(column, column) for column in described.columns]
    rows = [dict(zip(names, row, strict=True)) for row in described.rows]
    config = _json(directory / "_config.json")
    told = {key: config.get(key) for key in ("scorer", "column", "unit", "higher_is_better")}
    figures = {**told, "domains": rows, "notes": described.notes}
    return _Held(directory, figures, partial(_print_description, described))


def _print_description(described: Description) -> None:
    output.print(printable(described.headline))
    output.print(table(described.columns, described.rows))
    for line in described.notes:
        output.print(printable(line))


def _proxies(directory: Path) -> _Held:
    from ..runs import RunTable

    finished, runs = len(list((directory / "runs").glob("*.json"))), None
    if (directory / "runs.parquet").exists():
        runs = RunTable.read(directory / "runs.parquet")

    def print_proxies() -> None:
        output.print(f"Proxy runs: {finished} finished")
        if runs is not None:
            print_runs(runs)

    figures = {"finished": finished, "runs": [] if runs is None else runs_figures(runs)}
    return _Held(directory, figures, print_proxies)


def _selection(directory: Path) -> _Held:
    manifest = _json(directory / "_selection.json")
    return _Held(directory, manifest, partial(_print_selection, manifest, directory))


def _print_selection(manifest: dict[str, Any], directory: Path) -> None:
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


def _dataset(directory: Path) -> _Held:
    manifest = _json(directory / "manifest.json")
    return _Held(directory, manifest, partial(print_dataset, manifest, str(directory)))


def _pipeline(directory: Path) -> _Held:
    report = _json(directory / "report.json")
    return _Held(directory, report, partial(print_pipeline, report, str(directory)))


def _json(path: Path) -> Any:
    from ..files import read_json

    return read_json(path)


_LOOKS: dict[str, Callable[[Path], _Held]] = {
    "report.json": _pipeline,
    "manifest.json": _dataset,
    "_selection.json": _selection,
    "_config.json": _configured,
}
