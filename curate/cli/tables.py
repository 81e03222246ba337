"""Tables for people: one function for each thing a verb reports."""

from __future__ import annotations

from collections.abc import Sequence
from math import isinf
from statistics import median
from typing import TYPE_CHECKING, Any

from rich.table import Table

from .console import output, printable

if TYPE_CHECKING:
    from ..runs import RunTable


_FAR = 0.02
_MOST_COLUMNS = 9


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], total: bool = False) -> Table:
    """A plain table: the first column is text, the others numbers."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for place, name in enumerate(columns):
        made.add_column(printable(name), justify="right" if place else "left", no_wrap=True)
    for number, row in enumerate(rows):
        last = total and number == len(rows) - 1
        made.add_row(*map(_cell, row), style="bold" if last else None)
    return made


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.4g}"
    return f"{value:,}" if isinstance(value, int) else printable(value)


def percent(share: float) -> str:
    """A share as people read it."""
    return f"{share:.1%}"


def print_selection(manifest: dict[str, Any], where: str) -> None:
    """What was kept of each domain."""
    domains = manifest["domains"]
    limited = any(count.get("outside_limits") for count in domains.values())
    shown = {
        "documents": "documents",
        "without_score": "no score",
        **({"outside_limits": "outside limits"} if limited else {}),
        "kept": "kept",
        **({"tokens_kept": "tokens kept"} if manifest["counts_tokens"] else {}),
        "bytes_kept": "bytes kept",
    }
    rows: list[Sequence[object]] = [
        (name, *(count[key] for key in shown)) for name, count in domains.items()
    ]
    sums = [sum(column) for column in list(zip(*rows, strict=True))[1:]]
    rows.append(("total", *sums))
    output.print(table(("domain", *shown.values()), rows, total=True))
    for name, count in manifest["domains"].items():
        if not count["kept"]:
            output.print(f"Warning: nothing was kept of {printable(name)}.")
    if manifest["documents_sharing_a_key"]:
        n = manifest["documents_sharing_a_key"]
        about = "" if manifest.get("documents_sharing_a_key_are_counted", True) else "About "
        output.print(f"{about}{n:,} documents share their id with another one, and its fate.")
    _print_not_read(manifest["failed"])
    output.print(f"→ {printable(where)}")


def _print_not_read(failed: Sequence[str]) -> None:
    """What is in no count, as it could not be read when it was scored."""
    if failed:
        some = ", ".join(map(printable, failed[:3])) + (", …" if len(failed) > 3 else "")
        output.print(
            f"Warning: {len(failed):,} shards could not be read when they were scored, and are in "
            f"none of these numbers: {some}. `curate inspect --errors` on the scores says why."
        )


def runs_figures(runs: RunTable) -> list[dict[str, Any]]:
    """One a run: its name, its mixture, and its losses where there are any."""
    return [
        {
            "run": name,
            "mixture": dict(zip(runs.domains, mixture, strict=True)),
            "losses": dict(zip(runs.targets, losses, strict=True)),
        }
        for name, mixture, losses in zip(
            runs.names, runs.mixtures.tolist(), runs.losses.tolist(), strict=True
        )
    ]


def print_runs(runs: RunTable) -> None:
    """Mixtures, and losses where there are any; one column a run where there are many domains."""
    if len(runs.domains) + len(runs.targets) > _MOST_COLUMNS:
        _print_runs_as_columns(runs)
        return
    columns = ["run", *runs.domains, *(f"loss {t}" for t in runs.targets)]
    rows = [
        (name, *map(percent, mixture), *map(float, losses))
        for name, mixture, losses in zip(runs.names, runs.mixtures, runs.losses, strict=True)
    ]
    output.print(table(columns, rows))


def _print_runs_as_columns(runs: RunTable) -> None:
    rows = [
        (name, *map(percent, shares[:_MOST_COLUMNS]))
        for name, shares in zip(runs.domains, runs.mixtures.T, strict=True)
    ]
    rows += [
        (f"loss {name}", *(f"{loss:.4g}" for loss in losses[:_MOST_COLUMNS]))
        for name, losses in zip(runs.targets, runs.losses.T, strict=True)
    ]
    output.print(table(("run", *runs.names[:_MOST_COLUMNS]), rows))
    if len(runs) > _MOST_COLUMNS:
        output.print(f"… and {len(runs) - _MOST_COLUMNS:,} more runs.")


def print_prediction(found: dict[str, Any]) -> None:
    """The predicted loss and gain, with their intervals."""
    level = f"{found.get('level', 0.9):.0%}"
    over = found.get("gain_over", "the proportional mixture of the same documents")
    output.print(
        f"Predicted loss of the proposed mixture: {found['predicted_loss']:.4f} "
        f"({level} interval {interval(found['predicted_interval'])}; {found['certificate']})"
    )
    doubt = " The interval holds zero: there may be no gain." if found["gain_holds_zero"] else ""
    output.print(
        f"Predicted gain over {over}: "
        f"{found['gain']:.4f} ({level} interval {interval(found['gain_interval'])}).{doubt}"
    )


def interval(ends: Sequence[float | None]) -> str:
    """Both ends as people read them; one that is None or infinite is unbounded."""
    low, high = ("unbounded" if e is None or isinf(e) else f"{e:.4f}" for e in ends)
    return f"{low} to {high}"


def print_dataset(manifest: dict[str, Any], where: str) -> None:
    """What became of the documents of each domain."""
    keys = (
        "documents_in",
        "without_score",
        "not_selected",
        "not_needed",
        "used",
        "copies",
        "tokens",
    )
    rows: list[Sequence[object]] = [
        (name, *(c[key] for key in keys), percent(c["share_wanted"]), percent(c["share"]))
        for name, c in manifest["domains"].items()
    ]
    sums = [sum(c[key] for c in manifest["domains"].values()) for key in keys]
    rows.append(("total", *sums, percent(1.0), percent(1.0)))
    columns = ("domain", "documents", "no score", "not selected", "not needed", "used", "copies")
    output.print(table((*columns, "tokens", "wanted", "share"), rows, total=True))
    for name, count in manifest["domains"].items():
        if abs(count["share"] - count["share_wanted"]) > _FAR:
            output.print(
                f"Warning: {printable(name)} has {percent(count['share'])} of the tokens instead "
                f"of {percent(count['share_wanted'])}: its documents are too long for so few."
            )
    _print_not_read(manifest["inputs"]["selection"]["failed"])
    for file in manifest["files"]:
        output.print(f"→ {printable(where)}/data/{file['name']} ({file['rows']:,} rows)")


def print_pipeline(report: dict[str, Any], where: str) -> None:
    """The table that ends a run: domains, predicted and measured losses, paths."""
    scorers = list(report["scored"])
    rows = [
        (
            name,
            d["documents"],
            d["kept"],
            d["tokens_kept"],
            *(_score(d["mean_score"][s]) for s in scorers),
            percent(d["share_before"]),
            percent(d["share_proposed"]),
        )
        for name, d in report["domains"].items()
    ]
    columns = ("domain", "in", "kept", "tokens", *scorers, "share before", "proposed")
    output.print(table(columns, rows))
    output.print()
    print_prediction(report["prediction"])
    measured = report["measured"]
    output.print(
        "Measured loss of proxies on held-out documents of those kept, nats/token: median "
        "(least to greatest)"
    )
    for name, words in (
        ("proposed", "proposed mixture of what was kept"),
        ("proportional", "proportional mixture of what was kept"),
        ("unfiltered", "proportional mixture of everything, unfiltered"),
    ):
        output.print(f"  {_spread(measured[name])}  {words}")
    gains = [u - p for u, p in zip(measured["unfiltered"], measured["proposed"], strict=True)]
    output.print(f"  {_spread(gains)}  gain of the proposed over the unfiltered, seed by seed")
    for scored in report["scored"].values():
        for reason, n in scored["reasons"].items():
            first = printable(scored["first"][reason])
            output.print(f"{scored['scorer']}: {n:,} documents without a score, {reason} ({first})")
        for why in scored["failed"].values():
            output.print(f"Shard left out: {printable(why)}")
    output.print()
    folder = printable(where)
    output.print(f"Wrote {report['documents']:,} rows to {folder}/dataset/data")
    output.print(f"  scores     {folder}/scores/{{{','.join(scorers)}}}")
    output.print(f"  selection  {folder}/selection")
    output.print(f"  law, runs  {folder}/mix/law.json, {folder}/mix/proxies/runs.parquet")
    output.print(f"  mixture    {folder}/mix/mixture.json")
    output.print(f"  manifest   {folder}/dataset/manifest.json")


def _spread(values: Sequence[float]) -> str:
    return f"{median(values):.4f} ({min(values):.4f} to {max(values):.4f}, {len(values)} seeds)"


def _score(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f}"
