"""The report's section on cost: figures of progress.jsonl added up, and when scoring pays."""

from __future__ import annotations

from typing import Any

import pytest

from curate.costs import Machine, Training
from curate.report.blocks import Chart, Note, Section, Table
from curate.report.cost import Measured, section

N = 7_000_000_000


def run(seconds: float, documents: int, tokens: int | None, **started: Any) -> list[dict]:
    """Lines of one run, which tells how far it is half-way and in the end."""
    about = {"device": "cuda (NVIDIA H200)", "n_devices": 1, "parameters": N} | started
    lines: list[dict] = [{"event": "started", "stage": "score", **about}]
    for event, share in (("progress", 0.5), ("finished", 1.0)):
        lines.append(
            {
                "event": event,
                "seconds": share * seconds,
                "documents": int(share * documents),
                "tokens": None if tokens is None else int(share * tokens),
            }
        )
    return lines


def texts(found: Section) -> str:
    return " ".join(block.text for block in found.blocks if isinstance(block, Note))


def table(found: Section) -> dict[Any, dict[str, Any]]:
    (one,) = (block for block in found.blocks if isinstance(block, Table))
    return {row[0]: dict(zip(one.columns, row, strict=True)) for row in one.rows}


def test_the_last_line_of_each_run_counts() -> None:
    first = run(100.0, 1000, 500_000)[:2]  # stopped half-way
    again = run(60.0, 500, 250_000, n_devices=4)
    found = Measured.of([*first, *again])
    assert found is not None
    assert (found.documents, found.tokens, found.seconds) == (1000, 500_000, 110.0)
    assert found.device_seconds == 50.0 + 4 * 60.0
    assert found.flops == 2 * N * 500_000
    assert found.hardware == "h200"
    assert Measured.of(first[:1]) is Measured.of([]) is None


def test_what_is_not_known_is_said_and_not_guessed() -> None:
    lines = {
        "ask-llm": run(100.0, 1000, 1_000_000),
        "density": run(10.0, 1000, None, parameters=None, device=None, n_devices=None),
        "perplexity": [],
    }
    found = section(lines, None)
    assert found is not None
    rows = table(found)
    assert rows["ask-llm"]["tokens/s"] == 10_000
    assert rows["ask-llm"]["FLOPs"] == "1.40e+16"
    assert rows["ask-llm"]["FLOP/s of a device"] == "1.40e+14 (14.1% of peak)"
    assert (rows["density"]["device"], rows["density"]["FLOPs"]) == ("not recorded", None)
    assert (rows["perplexity"]["device"], rows["perplexity"]["seconds"]) == ("not recorded", None)
    said = texts(found)
    assert "Without FLOPs: density, perplexity." in said
    assert "give --train, such as 7B, and --train-tokens" in said
    assert not any(isinstance(block, Chart) for block in found.blocks)
    assert section({}, None) is None


@pytest.mark.parametrize(
    ("saves", "measured", "said"),
    [
        (None, None, "it pays in the first run if filtering saves more than that."),
        (0.3, (0.5, "measured"), "saves 30% of each: it pays in the first run."),
        (0.01, None, "it pays after 4 runs"),
        (None, (0.2, "Small models need 80%"), "saves 20% of each: it pays in the first run."),
        (None, (-0.1, "Small models need 110%"), "scoring never pays."),
    ],
)
def test_after_how_many_runs_it_pays(
    saves: float | None, measured: tuple[float, str] | None, said: str
) -> None:
    lines = {"ask-llm": run(1e7, 10**9, 10**11)}
    train = Training(parameters=N, tokens=10**12, saves=saves)
    found = section(lines, train, measured_saving=measured)
    assert found is not None
    told = texts(found)
    assert said in told
    assert "Scoring costs 3.33% of one training run" in told  # 2 x .1T tokens of 6 x 1T
    assert "Counted in FLOPs." in told
    assert (measured is not None and saves is None) == ("Small models" in told)
    (chart,) = (block for block in found.blocks if isinstance(block, Chart))
    assert chart.figure["data"][0]["y"] == [1.4e21, 4.2e22]
    late = any(block.tone == "warning" for block in found.blocks if isinstance(block, Note))
    assert late == ("never" in said or "after" in said)


def test_hours_are_compared_where_they_are_of_one_kind_of_device() -> None:
    lines = {"ask-llm": run(36_000.0, 10**9, 10**11)}  # ten hours
    machine = Machine.of("h200", price=3.0)
    found = section(lines, Training(parameters=N, tokens=10**12, machine=machine))
    assert found is not None
    told = texts(found)
    hours = 6 * N * 1e12 / (989.5e12 * 0.4) / 3600
    assert f"{hours:,.0f} device-hours on h200 at 40% of its peak, at a price of" in told
    assert "Scoring costs 0.0339% of one training run" in told
    assert "Counted in device-hours, those of scoring as measured." in told
    other = section(lines, Training(parameters=N, tokens=10**12, machine=Machine.of("a100")))
    assert other is not None
    assert "Counted in FLOPs." in texts(other)


def test_more_than_a_device_can_do_is_a_warning() -> None:
    for seconds, doubted in ((1e4, False), (1e2, True)):
        found = section({"ask-llm": run(seconds, 10**6, 10**8)}, None)
        assert found is not None
        assert ("More than its device can do: ask-llm." in texts(found)) == doubted


def test_a_run_of_unknown_length_reads_the_dataset() -> None:
    lines = {"ask-llm": run(1e3, 10**6, 10**9)}
    found = section(lines, Training(parameters=N), dataset_tokens=2 * 10**9)
    assert found is not None
    assert "on 2B tokens takes 8.40e+19 FLOPs. The tokens are those of the dataset" in texts(found)
    nothing = section(lines, Training(parameters=N))
    assert nothing is not None
    assert "What training costs was not said" in texts(nothing)
