"""How well do the mixing laws predict published runs that they have not seen?

Laws are fitted and chosen on the runs to fit alone, and meet the runs to test once. The default is
what `mixing.select_law` chooses. Beside them: published figures of three other studies, found again
from the same points, and the speed of the fit.

    python -m bench.laws --data DIR                             everything
    python -m bench.laws --data DIR --only three --only five    some tables
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import click

from . import laws_autoscale, laws_critical, laws_overtraining, laws_regmix, laws_splits
from .laws_coverage import TABLES, coverage
from .laws_judge import Found
from .laws_speed import starts_vs_scipy
from .published import FILES, five_groups, ratio_runs
from .report import finish, print_table
from .workers import Workers


def _speed(data: Path) -> Found:
    """Starts per second of the exponential law (M4), beside SciPy's."""
    groups, _ = five_groups(data, "70M", 30_000)
    wide = ratio_runs(data, "redpajama", "70M", 30_000)
    found = {
        name: starts_vs_scipy(table.mixtures, table.losses, n_starts=100, repeats=repeats)
        for name, table, repeats in (("five domains", groups, 5), ("RedPajama", wide, 3))
    }
    rows: list[list[object]] = [
        [
            name,
            f"{one['starts_per_second']:,.0f}",
            f"{one['scipy_starts_per_second']:,.0f}",
            f"{one['starts_vs_scipy']:.1f}",
            f"{one['share_at_best']:.0%}",
            f"{one['scipy_share_at_best']:.0%}",
            f"{one['cost_over_scipy']:.6f}",
        ]
        for name, one in found.items()
    ]
    return Found(
        columns=(
            "runs",
            "starts/s",
            "SciPy's",
            "ratio",
            "at the best",
            "SciPy's",
            "cost / SciPy's",
        ),
        rows=rows,
        figures={"starts_vs_scipy": found["five domains"]["starts_vs_scipy"]},
    )


def _autoscale(data: Path) -> Found:
    return Found.of(laws_autoscale.figures(data))


def _overtraining(data: Path) -> Found:
    return Found.of(laws_overtraining.figures(data))


def _critical(data: Path) -> Found:
    return Found.of(laws_critical.figures(data))


_SHARED: dict[str, tuple[str, Callable[[Path, Workers], Found]]] = {
    "regmix": (
        "RegMix: 512 runs of 17 domains to fit, 256 to test; 13 losses",
        laws_regmix.figures,
    ),
    "five": (
        "Five domains: mean absolute error of the overall loss, 20 splits into 20 and 6 runs",
        laws_splits.five,
    ),
    "three": (
        "Three domains, 410M: mean absolute error by loss, 20 splits into 24 and 8 runs",
        laws_splits.three,
    ),
    "redpajama": (
        "RedPajama, 70M: mean absolute error of the overall loss, 20 splits into 20 and 20 runs",
        laws_splits.redpajama,
    ),
}
"""Parts whose work is shared out over the workers."""
_ALONE: dict[str, tuple[str, Callable[[Path], Found]]] = {
    "autoscale": ("AutoScale: DDO's fit and optimum, and the predictor's check", _autoscale),
    "overtraining": ("Over-training: errors far from the points fitted", _overtraining),
    "critical": ("Continual training: the critical share", _critical),
    "speed": ("Speed: the exponential law (M4) from many starts, one thread", _speed),
}
"""Parts for one worker."""
_PARTS = (*_SHARED, *_ALONE)


@click.command()
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="Folder of published runs.",
)
@click.option("--only", multiple=True, type=click.Choice(_PARTS), help="Parts; all by default.")
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(1), help="Processes.")
def main(data: Path, only: tuple[str, ...], jobs: int) -> None:
    """Print a table for each part, then every figure."""
    if missing := [name for name in FILES if not (data / name).is_file()]:
        raise click.BadParameter(f"'{data}' lacks {missing[0]}.", param_hint="--data")
    workers = Workers(jobs)
    found: dict[str, Found] = {}
    seconds: dict[str, float] = {}
    for name in [name for name in _PARTS if name in (only or _PARTS)]:
        start = time.perf_counter()
        if name in _SHARED:
            title, shared = _SHARED[name]
            found[name] = shared(data, workers)
        else:
            title, alone = _ALONE[name]
            (found[name],) = workers.map(name, alone, [(data,)])
        seconds[name] = time.perf_counter() - start
        _show(title, found[name])
    workers.close()
    if any(name in TABLES for name in found):
        found["coverage"] = coverage(found)
        _show("Coverage of the default law's 90 % intervals", found["coverage"])
    figures = {name: value for part in found.values() for name, value in part.figures.items()}
    figures["seconds"] = sum(seconds.values())
    print(f"Time, {jobs} processes")
    finish(("part", "seconds"), [[n, f"{s:.0f}"] for n, s in seconds.items()], figures)


def _show(title: str, part: Found) -> None:
    print(title)
    print_table(part.columns, part.rows)
    for note in part.notes:
        print(note)
    print()
    sys.stdout.flush()


if __name__ == "__main__":
    main()
