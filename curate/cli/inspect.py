"""`curate inspect`: say what a directory holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ..errors import ConfigError
from .console import output, printable
from .tables import print_dataset, print_pipeline, print_runs, print_selection, table


@click.command()
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
def command(directory: Path) -> None:
    """Say what DIRECTORY holds: scores, a selection, proxy runs, a dataset, or a whole job."""
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


def _configured(directory: Path) -> None:
    """Score tables, or proxy runs: both start with a configuration."""
    if "scorer" not in _json(directory / "_config.json"):
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
    if (directory / "runs.csv").exists():
        print_runs(RunTable.read(directory / "runs.csv"))


def _selection(directory: Path) -> None:
    manifest = _json(directory / "_selection.json")
    request = manifest["request"]
    output.print(
        f"Selection: {request['method']} by {request['scorer']} ({manifest['column']}), "
        f"{request['budget']}{' of each domain' if request['by_domain'] else ''}"
    )
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
