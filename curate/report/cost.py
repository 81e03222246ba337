"""The report's section on cost: what scoring took, beside the training run it feeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..costs import (
    PEAK,
    Cost,
    Payoff,
    Training,
    amount,
    forward_flops,
    percent,
    short,
    training_flops,
)
from . import charts
from .blocks import Block, Cell, Chart, Note, Section, Table


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a scorer took, over all runs it needed.

    Attributes:
        device: in words; None where nobody wrote it down.
        parameters: of its model; None where there is none, or nobody said.
        documents: scored.
        tokens: read; None where none were counted.
        seconds: by the clock.
        device_seconds: of all devices together.
    """

    device: str | None
    parameters: int | None
    documents: int
    tokens: int | None
    seconds: float
    device_seconds: float

    @classmethod
    def of(cls, lines: Sequence[Mapping[str, Any]]) -> Measured | None:
        """From the lines of progress.jsonl; None where they hold no figures.

        The last line of each run counts what that run did; a run starts with "started".
        """
        started: Mapping[str, Any] = {}
        runs: list[tuple[Mapping[str, Any], Mapping[str, Any]]] = []
        for line in lines:
            if line.get("event") == "started":
                started = line
            elif line.get("seconds") is not None:
                if runs and runs[-1][0] is started:
                    runs.pop()
                runs.append((started, line))
        if not runs:
            return None
        tokens = [last["tokens"] for _, last in runs if last.get("tokens") is not None]
        first = {
            key: next((s[key] for s, _ in reversed(runs) if s.get(key) is not None), None)
            for key in ("device", "parameters")
        }
        return cls(
            **first,
            documents=sum(last.get("documents") or 0 for _, last in runs),
            tokens=sum(tokens) if len(tokens) == len(runs) else None,
            seconds=sum(last["seconds"] for _, last in runs),
            device_seconds=sum(last["seconds"] * (s.get("n_devices") or 1) for s, last in runs),
        )

    @property
    def flops(self) -> float | None:
        """Of the model; None where there is none, or its size or tokens are not known."""
        if self.parameters is None or self.tokens is None:
            return None
        return forward_flops(self.parameters, self.tokens)

    @property
    def speed(self) -> float | None:
        """FLOP/s of one device, over the whole of the runs."""
        flops = self.flops
        return flops / self.device_seconds if flops and self.device_seconds else None

    @property
    def peak(self) -> float:
        """FLOP/s of one device, at most; inf where that is not known."""
        return PEAK.get(self.hardware or "", math.inf)

    @property
    def hardware(self) -> str | None:
        """The kind of device, where its peak is known."""
        said = (self.device or "").lower()
        return next((name for name in PEAK if name in said), None)


def section(
    scorers: Mapping[str, Sequence[Mapping[str, Any]]],
    train: Training | None,
    *,
    dataset_tokens: int | None = None,
    measured_saving: tuple[float, str] | None = None,
) -> Section | None:
    """What scoring cost, and after how many training runs it pays; None without scorers.

    Args:
        scorers: name -> lines of its progress.jsonl, none where there is no such file.
        train: the training run, as far as the reader of the report told it.
        dataset_tokens: of the dataset, where the training run's are not told.
        measured_saving: share of a training run that filtering saves and where that is from, see
            `curate.report.learning.measured_saving`; not used where ``train`` says.
    """
    if not scorers:
        return None
    measured = {name: Measured.of(lines) for name, lines in scorers.items()}
    made: list[Block] = [_table(measured)]
    known = {name: one for name, one in measured.items() if one is not None and one.flops}
    uncounted = [name for name in measured if name not in known]
    if uncounted:
        made.append(
            Note(
                f"Without FLOPs: {', '.join(uncounted)}. They run no model, or its size, its "
                "tokens or the whole run were not recorded. What runs no model is not free either: "
                "see its seconds."
            )
        )
    faster = [name for name, one in known.items() if (one.speed or 0) > one.peak]
    if faster:
        made.append(
            Note(
                f"More than its device can do: {', '.join(faster)}. A document passes fewer "
                "parameters, or fewer tokens, than were recorded.",
                tone="warning",
            )
        )
    made += _beside(known, train, dataset_tokens, measured_saving)
    return Section(
        name="cost",
        title="Cost",
        lead="What scoring took, beside the training run it feeds, and after how many such runs "
        "it has paid.",
        blocks=made,
    )


def _table(measured: Mapping[str, Measured | None]) -> Table:
    rows: list[Sequence[Cell]] = []
    for name, one in measured.items():
        if one is None:
            rows.append((name, "not recorded", *[None] * 8))
            continue
        flops, speed = one.flops, one.speed
        rows.append(
            (
                name,
                one.device or "not recorded",
                None if one.parameters is None else short(one.parameters),
                one.documents,
                one.tokens,
                amount(one.seconds),
                amount(one.device_seconds / 3600),
                round(one.tokens / one.seconds) if one.tokens and one.seconds else None,
                None if flops is None else f"{flops:.2e}",
                None
                if speed is None
                else f"{speed:.2e}"
                + (f" ({percent(speed / one.peak)} of peak)" if one.hardware else ""),
            )
        )
    return Table(
        title="What each scorer took",
        columns=(
            "scorer", "device", "parameters", "documents", "tokens", "seconds", "device-hours",
            "tokens/s", "FLOPs", "FLOP/s of a device",
        ),
        rows=rows,
        caption="Measured, summed over all runs it took. FLOPs are 2 for each parameter and token: "
        "attention comes on top, and of an encoder-decoder a document passes half of them.",
    )  # fmt: skip


def _beside(
    known: Mapping[str, Measured],
    train: Training | None,
    dataset_tokens: int | None,
    measured_saving: tuple[float, str] | None,
) -> list[Block]:
    tokens = dataset_tokens if train is None or train.tokens is None else train.tokens
    if train is None or not tokens:
        return [
            Note(
                "What training costs was not said: give --train, such as 7B, and "
                "--train-tokens, such as 1T, to see after how many runs scoring pays."
            )
        ]
    flops = training_flops(train.parameters, tokens)
    machine = train.machine
    cost = None if machine is None else machine.training(flops)
    said = (
        f"Training {short(train.parameters)} parameters on {short(tokens)} tokens takes "
        f"{flops:.2e} FLOPs{_hours(cost, train)}."
    )
    if train.tokens is None:
        said += (
            " The tokens are those of the dataset; a longer run, which repeats it, costs more: "
            "see --train-tokens."
        )
    made: list[Block] = [Note(said)]
    if not known:
        return [*made, Note("What scoring costs beside it is not known: see above.")]
    scoring = {name: one.flops or 0.0 for name, one in known.items()}
    figure = charts.bars([*scoring, "training"], {"FLOPs": [*scoring.values(), flops]}, y="FLOPs")
    figure["layout"]["yaxis"] |= {"type": "log", "exponentformat": "power", "dtick": 1}
    figure["layout"]["showlegend"] = False
    made.append(
        Chart(
            title="FLOPs of scoring and of training",
            figure=figure,
            caption="On a logarithmic scale: one step up is ten times as much.",
        )
    )
    saves, source = train.saves, "The share that filtering saves was given."
    if saves is None and measured_saving is not None:
        saves, source = measured_saving
    same = machine is not None and {one.hardware for one in known.values()} == {machine.name}
    if same and cost is not None:
        hours = sum(one.device_seconds for one in known.values()) / 3600
        share, unit = hours / cost.device_hours, "device-hours, those of scoring as measured"
    else:
        share, unit = sum(scoring.values()) / flops, "FLOPs"
    payoff = Payoff(share=share, saves=saves)
    late = payoff.runs is not None and payoff.runs > 1
    said = f"{payoff.said()} Counted in {unit}."
    made.append(Note(said, tone="warning" if late else "plain"))
    if saves is not None:
        made.append(Note(source))
    return made


def _hours(cost: Cost | None, train: Training) -> str:
    if cost is None or train.machine is None:
        return ""
    price = "" if cost.price is None else f", at a price of {amount(cost.price)}"
    return (
        f": {amount(cost.device_hours)} device-hours on {train.machine.name} at "
        f"{train.machine.train_mfu:.0%} of its peak{price}"
    )
