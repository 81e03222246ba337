"""What scoring and training cost, against arithmetic done by hand and published hours."""

from __future__ import annotations

import math

import pytest

from curate.costs import (
    ENCODER,
    PEAK,
    Machine,
    Payoff,
    Shape,
    forward_flops,
    parse_parameters,
    parse_share,
    percent,
    training_flops,
)
from curate.errors import ConfigError


def test_scoring_a_corpus_can_cost_more_than_training_a_small_model() -> None:
    """Flan-T5 XL and XXL over the 184B tokens of C4, and T5 Small and Large trained on 524B."""
    xl, xxl = (forward_flops(n, 184e9) for n in (3e9, 11e9))
    small, large = (training_flops(n, 524e9) for n in (60e6, 780e6))
    assert xl == pytest.approx(1.1e21, rel=0.02)
    assert xxl == pytest.approx(4.0e21, rel=0.02)
    assert small == pytest.approx(1.9e20, rel=0.02)
    assert large == pytest.approx(2.5e21, rel=0.02)
    # Documents pass the encoder alone: about half of it.
    assert forward_flops(ENCODER * 11e9, 184e9) == pytest.approx(xxl / 2)
    assert forward_flops(ENCODER * 11e9, 184e9) < large < xxl


def test_attention_is_what_published_throughputs_leave_for_it() -> None:
    """At its peak an H100 has 70,000 tokens/s for Llama 3.1 8B at 512 tokens a document."""
    shape = Shape(layers=32, heads=32, head_width=128)
    a_token = forward_flops(6.98e9, 1, shape=shape, length=512)
    assert a_token - forward_flops(6.98e9, 1) == 2 * 32 * 32 * 128 * 512
    assert PEAK["h100"] / a_token == pytest.approx(70e3, rel=0.01)


def test_hours_and_price_follow_from_peak_and_devices() -> None:
    machine = Machine.of("H200", devices=8, mfu=0.5, train_mfu=0.25, price=2.0)
    cost = machine.scoring(989.5e12 * 3600)  # an hour at the peak
    assert (cost.device_hours, cost.hours, cost.price) == (2.0, 0.25, 4.0)
    assert machine.training(cost.flops).device_hours == 4.0
    assert Machine.of("own", 1e12, mfu=1.0).scoring(3.6e15).device_hours == 1.0
    assert Machine.of("a100").scoring(1.0).price is None


@pytest.mark.parametrize(
    ("share", "saves", "runs", "said"),
    [
        (0.06, None, None, "6% of one training run: it pays in the first run if filtering saves"),
        (3.0, None, None, "saves more than that, which no single run can."),
        (0.06, 0.3, 0.2, "saves 30% of each: it pays in the first run."),
        (0.3, 0.3, 1.0, "it pays in the first run."),
        (0.7, 0.3, 7 / 3, "it pays after 3 runs (2.33)."),
        (40.0, 0.1, 400.0, "costs 40 times one training run, and filtering saves 10%"),
        (0.06, 0.0, math.inf, "saves none of it: scoring never pays."),
        (0.06, -0.2, math.inf, "never pays"),
        (0.0, 0.3, 0.0, "first run"),
    ],
)
def test_when_scoring_pays(
    share: float, saves: float | None, runs: float | None, said: str
) -> None:
    payoff = Payoff(share=share, saves=saves)
    assert payoff.runs == (None if runs is None else pytest.approx(runs))
    assert said in payoff.said()


def test_sizes_and_shares_as_people_write_them() -> None:
    assert [parse_parameters(text) for text in ("7B", "0.5b", "800 M", "7e9", 7615616512)] == [
        7_000_000_000, 500_000_000, 800_000_000, 7_000_000_000, 7_615_616_512
    ]  # fmt: skip
    assert [parse_share(text, "x") for text in ("0.3", "30%", "0")] == [0.3, 0.3, 0.0]
    assert [percent(share) for share in (0.0643, 1e-6, 0.43, 2, 120)] == [
        "6.43%", "0.0001%", "43%", "200%", "120 times"
    ]  # fmt: skip
    for text in ("7X", "", "seven", "7", "-1B", "1e16"):
        with pytest.raises(ConfigError, match=r"800M"):
            parse_parameters(text)
    for text in ("30", "1", "-0.1", "x%", "30%%"):
        with pytest.raises(ConfigError, match=r"--saves wants a share"):
            parse_share(text, "--saves")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"hardware": "h20"}, r"Did you mean 'h200'\?.*--peak"),
        ({"hardware": "cpu"}, r"give the FLOP/s of yours with --peak"),
        ({"hardware": "h200", "mfu": 40}, r"40 % is 0\.4"),
        ({"hardware": "h200", "train_mfu": 0}, r"'train_mfu'.*Got 0"),
        ({"hardware": "x", "peak": -1.0}, r"more than 0 FLOP/s"),
        ({"hardware": "h200", "price": -1.0}, r"'price'"),
    ],
)
def test_machines_that_there_are_not(arguments: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Machine.of(**arguments)
