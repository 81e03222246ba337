"""Proportions in the report: before and after, how often a domain repeats, what holds them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from . import charts
from .blocks import Block, Cell, Chart, Note, Table

_FAR = 0.02  # between a share that was wanted and the one that was built


def proportions(
    mixture: Mapping[str, Any] | None, manifest: Mapping[str, Any] | None
) -> list[Block]:
    """Shares of every domain before and after, and how often its text repeats.

    Args:
        mixture: what `mix optimize` wrote, or any object with shares under "mixture".
        manifest: of a dataset.
    """
    found = mixture or {}
    built = (manifest or {}).get("domains", {})
    stages: dict[str, Mapping[str, float]] = {
        "before filtering": found.get("unfiltered", {}),
        "kept, proportional": found.get("proportional", {}),
        "proposed": found.get("mixture", {}),
        "built": {name: count["share"] for name, count in built.items()},
    }
    told = {name: shares for name, shares in stages.items() if shares}
    domains = list(dict.fromkeys(domain for shares in told.values() for domain in shares))
    if not domains:
        return []
    series = {name: [of.get(domain, 0.0) for domain in domains] for name, of in told.items()}
    made: list[Block] = [
        Chart(
            title="Proportions of the domains",
            figure=charts.bars(domains, series, y="share of the tokens", percent=True),
            caption="A domain that has no bar has no share there.",
        )
    ]
    made += _epochs(found, built, domains)
    for name, count in built.items():
        if abs(count["share"] - count["share_wanted"]) > _FAR:
            made.append(
                Note(
                    f"{name} has {count['share']:.1%} of the tokens built instead of "
                    f"{count['share_wanted']:.1%}: its documents are too long for so few.",
                    tone="warning",
                )
            )
    return made


def _epochs(
    mixture: Mapping[str, Any], built: Mapping[str, Any], domains: list[str]
) -> list[Block]:
    stages = {
        "proposed": mixture.get("epochs", {}),
        "built": {name: count["epochs"] for name, count in built.items()},
    }
    series = {
        name: [of.get(domain, 0.0) for domain in domains] for name, of in stages.items() if of
    }
    if not series:
        return []
    figure = charts.bars(domains, series, y="times each kept token is read")
    most = mixture.get("max_epochs")
    caption = "Above 1, text is repeated; up to about 4 times costs little."
    if most is not None:
        figure = charts.mark(figure, y=float(most), text=f"at most {most:g}")
    return [Chart(title="Epochs of the domains", figure=figure, caption=caption)]


def proposal(mixture: Mapping[str, Any]) -> list[Block]:
    """What the law expects of the proposal, what holds it, and its gain over other mixtures.

    Args:
        mixture: what `mix optimize` wrote.
    """
    level = f"{mixture['level']:.0%}"
    certificate = mixture["certificate"]
    sure = (
        "The law is not convex, or has no slopes: no certificate says that no other mixture is "
        "predicted better."
        if certificate == "no certificate"
        else f"Certificate: {certificate}: within the constraints no mixture is predicted better "
        "by more than that."
    )
    made: list[Block] = [
        Note(
            f"Predicted loss of the proposal: {mixture['predicted_loss']:.4f} ({level} interval "
            f"{span(mixture['predicted_interval'])}). {sure} The law may be wrong by more: see its "
            "held-out error."
        ),
        _held(mixture),
    ]
    compared = _apart(mixture.get("compared", {}))
    if not compared:
        return made
    doubtful = [name for name, other in compared.items() if other["gain_holds_zero"]]
    if doubtful:
        made.append(
            Note(
                f"The {level} interval of the predicted gain over {_joined(doubtful)} holds zero: "
                "there may be no gain.",
                tone="warning",
            )
        )
    gains = [other["gain"] for other in compared.values()]
    ends = np.array([other["gain_interval"] for other in compared.values()], float)
    made.append(
        Chart(
            title="Predicted gain of the proposal over mixtures that need no law",
            figure=charts.intervals(
                list(compared), {"gain": (gains, ends)}, x="loss of the other minus the proposal's"
            ),
            caption=f"Above zero the proposal is better. Bars are {level} intervals for two runs; "
            "they do not know that the proposal was chosen for its prediction: expect the lower "
            "half.",
        )
    )
    rows: list[list[Cell]] = [["proposed", mixture["predicted_loss"], None, None, None, None]]
    rows += [
        [
            name,
            other["loss"],
            other["gain"],
            *other["gain_interval"],
            "; ".join(other["violations"]) or "nothing",
        ]
        for name, other in compared.items()
    ]
    made.append(
        Table(
            title="The proposal beside mixtures that need no law",
            columns=(
                "mixture",
                "predicted loss",
                "gain over it",
                f"{level} from",
                "to",
                "violates",
            ),
            rows=rows,
        )
    )
    return made


def _held(mixture: Mapping[str, Any]) -> Note:
    """Which constraints the optimum lies on."""
    binding = mixture.get("binding")
    within = (
        " Bounds nobody asked for are the least and the greatest share of the runs."
        if mixture.get("within_runs")
        else " Shares that no run had were admitted."
    )
    if binding is None:
        return Note(f"Which constraints hold the proposal was not recorded.{within}")
    if not binding:
        return Note(f"No constraint holds the proposal: it lies inside all bounds.{within}")
    return Note(f"The proposal is at a bound: {'; '.join(binding)}.{within}")


def _apart(compared: Mapping[str, Any]) -> dict[str, Any]:
    """The mixtures compared, those that coincide under one name."""
    names: dict[tuple[float, ...], list[str]] = {}
    for name in [*(n for n in compared if n != "prior"), *(n for n in compared if n == "prior")]:
        shares = tuple(round(share, 9) for share in compared[name]["mixture"].values())
        names.setdefault(shares, []).append(name)
    return {" = ".join(same): compared[same[0]] for same in names.values()}


def span(ends: Any) -> str:
    """Both ends of an interval; one that is None is unbounded."""
    low, high = ("unbounded" if end is None else f"{end:.4f}" for end in ends)
    return f"{low} to {high}"


def _joined(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
