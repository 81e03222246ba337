"""Measures of learning curves: closed forms, planted truths, and error rates under noise."""

from __future__ import annotations

import numpy as np
import pytest

from mixing import Additive, Linear, dirichlet
from mixing.learning import (
    area,
    code_length,
    curriculum,
    final_slope,
    relate,
    relation,
    slope,
    step_change,
    steps_to_match,
    time_to_threshold,
)
from mixing.learning.monotone import Monotone

STEPS = np.unique(np.rint(np.geomspace(20, 2000, 12)))
E = np.e


def falling(steps: np.ndarray, floor: float = 3, scale: float = 8, power: float = 0.4):
    return floor + scale * np.asarray(steps, float) ** -power


def test_slope_of_a_line_in_log_steps_is_exact_and_forgives_a_wild_measure():
    steps = E ** np.arange(1, 9)
    losses = np.array([5 - 0.3 * np.arange(1, 9), 4 - 0.1 * np.arange(1, 9)])
    assert slope(steps, losses) == pytest.approx([-0.3, -0.1])
    wild = losses.copy()
    wild[:, 3] += 50
    assert slope(steps, wild) == pytest.approx([-0.3, -0.1])
    bent = np.where(np.arange(8) < 4, 5 - np.arange(8), 2.0)
    assert slope(steps, bent, last=steps[3]) == pytest.approx(-1)
    assert slope(steps, bent, first=steps[4]) == pytest.approx(0)
    assert slope([0, *steps], np.hstack([[[99], [99]], losses])) == pytest.approx([-0.3, -0.1])
    assert np.isnan(slope(steps, bent, first=steps[-1]))
    shaped = slope(steps, np.stack([losses, 2 * losses]))
    assert shaped == pytest.approx(np.array([[-0.3, -0.1], [-0.6, -0.2]]))


def test_the_final_slope_is_that_of_the_last_e_fold():
    steps = np.geomspace(1, E**4, 41)
    bent = np.where(np.log(steps) < 2, 5 - np.log(steps), 3 - 0.1 * (np.log(steps) - 2))
    assert final_slope(steps, bent) == pytest.approx(-0.1)
    assert final_slope(steps, bent, width=4) < -0.2
    few = [1, 10, 100]  # fewer than three in the last e-fold: the last three
    assert final_slope(few, [3.0, 2.0, 1.0]) == pytest.approx(-1 / np.log(10))
    assert final_slope([7], [3.0]).shape == () and np.isnan(final_slope([7], [3.0]))
    for width in (0, np.nan):
        with pytest.raises(ValueError, match="'width' must be > 0"):
            final_slope(steps, bent, width=width)


def test_area_and_code_length_by_hand():
    assert area([1, E, E**3], [4.0, 2.0, 1.0]) == pytest.approx((3 + 2 * 1.5) / 3)
    assert area([0, 1, E, E**3], [9.0, 4.0, 2.0, 1.0], first=2) == pytest.approx(1.5)
    assert np.isnan(area([0, 1], [2.0, 1.0]))
    steps, losses = [0, 10, 40], np.array([[8.0, 4.0, 2.0], [1.0, 1.0, 1.0]])
    nats = code_length(steps, losses, 5)
    assert nats == pytest.approx([5 * (60 + 90), 200])
    assert code_length(steps, losses, 5, unit="bits") == pytest.approx(nats / np.log(2))
    assert code_length([10, 40], [4.0, 2.0], 5, initial=8.0) == pytest.approx(nats[0])
    assert code_length([10, 40], [4.0, 2.0], 5) == pytest.approx(5 * (40 + 90))
    with pytest.raises(ValueError, match="'tokens_per_step' must be finite and > 0"):
        code_length(steps, losses, 0)


def test_the_trapezoid_is_too_long_by_what_the_docstring_says():
    """For curves that bend, 1/12 of the change of slope times the interval squared."""
    steps = np.linspace(100, 200, 11)
    exact = 100.0 * 3 + 8 * (200**0.6 - 100**0.6) / 0.6
    whole = float(code_length(steps, falling(steps), 1)) - 100 * falling(100)
    slopes = -3.2 * steps[[0, -1]] ** -1.4
    assert whole - exact == pytest.approx((slopes[1] - slopes[0]) * 10**2 / 12, rel=1e-3)


def test_a_threshold_is_crossed_between_measures_in_log_steps():
    assert time_to_threshold([1, 100], [4.0, 2.0], 3.0) == pytest.approx(10)
    rising = time_to_threshold([1, 100], [[0.0, 1.0], [0.5, 0.6]], 0.5, rising=True)
    assert rising == pytest.approx([10, 1])
    assert time_to_threshold([1, 100], [4.0, 2.0], 1.9) == np.inf
    assert time_to_threshold([0, 5, 100], [9.0, 4.0, 2.0], 8.0) == pytest.approx(5)
    assert time_to_threshold([1, 10, 100], [4.0, 4.1, 4.2], 3.0) == np.inf  # it never falls
    # A lucky measure is no crossing: it is pooled with the next one, at a loss of 3.
    lucky = time_to_threshold([1, 10, 100, 1000], [4.0, 2.0, 4.0, 1.0], 2.5)
    assert lucky == pytest.approx(10 ** (1.5 + 1.5 / 4))
    truth = (8 / (3.6 - 3)) ** (1 / 0.4)
    noise = 0.01 * np.random.default_rng(0).normal(size=(200, len(STEPS)))
    found = time_to_threshold(STEPS, falling(STEPS) + noise, 3.6)
    assert np.median(found) == pytest.approx(truth, rel=0.02)
    assert np.std(np.log(found)) < 0.04


def test_the_monotone_fit_is_strict_so_that_no_curve_is_ahead_of_itself():
    fit = Monotone.of(np.array([1, 10, 100, 1000.0]), np.array([5.0, 3.0, 2.0, 2.2]))
    # The pool of the last two counts at step 10^2.5; the last line goes on to the end.
    rate = -0.9 / (1.5 * np.log(10))
    assert fit.final == pytest.approx(2.1 + rate * 0.5 * np.log(10))
    assert fit.crossing(fit.final) == pytest.approx(1000)
    assert np.all(np.diff(fit.losses) < 0)
    assert fit.crossing(2.1) == pytest.approx(10**2.5)
    assert not Monotone.of(np.array([1, 2.0]), np.array([1.0, 2.0])).moves


def test_a_run_that_diverged_counts_up_to_there_or_not_at_all():
    steps = E ** np.arange(1, 7)
    losses = 5 - 0.3 * np.arange(1, 7)
    losses[4:] = np.nan
    assert slope(steps, losses) == pytest.approx(-0.3)
    assert time_to_threshold(steps, losses, 4.1) == pytest.approx(E**3)
    assert time_to_threshold(steps, losses, 3.5) == np.inf
    assert time_to_threshold(steps, losses * np.nan, 9) == np.inf
    for total in (final_slope(steps, losses), area(steps, losses), code_length(steps, losses, 1)):
        assert np.isnan(total)
    assert area(steps, losses, last=steps[3]) == pytest.approx(5 - 0.3 * 2.5)


@pytest.mark.parametrize(
    ("steps", "losses", "said"),
    [
        ([1, 2], [1.0], "'steps' must be \\[n\\]"),
        ([2, 1], [1.0, 1.0], "must be >= 0 and increase"),
        ([1, 2], [1.0, np.inf], "Got inf"),
        ([1, 2, 3], [1.0, np.nan, 1.0], "NaN at the end only"),
    ],
)
def test_curves_are_checked(steps, losses, said):
    for measure in (slope, final_slope, area):
        with pytest.raises(ValueError, match=said):
            measure(steps, losses)
    with pytest.raises(ValueError, match=said):
        steps_to_match(steps, losses, losses)


# Steps to match


def paired(share: float, noise: float, rng, n_seeds: int = 3):
    """A proposal that learns 1 / share times as fast; seeds shift both curves alike."""
    common = 0.01 * rng.normal(size=(n_seeds, 1))
    curves = [
        falling(x) + common + noise * rng.normal(size=(n_seeds, len(STEPS)))
        for x in (STEPS / share, STEPS)
    ]
    return curves[0], curves[1]


def test_steps_to_match_of_the_papers_size_are_recovered():
    steps = np.unique(np.rint(np.geomspace(20, 2000, 60)))
    found = steps_to_match(steps, falling(steps / 0.73), falling(steps))
    assert found.share.value == pytest.approx(0.73, rel=1e-3)
    assert found.longer.value == pytest.approx(1 / 0.73, rel=1e-3)
    assert (found.share.n_seeds, found.share.n_extrapolated) == (1, 0)
    assert found.longer.n_extrapolated == 1
    # One seed says nothing of the noise.
    for ratio in (found.share, found.longer):
        assert (ratio.low, ratio.high) == (0.0, np.inf)


def test_two_curves_that_are_one_match_at_the_end():
    rng = np.random.default_rng(0)
    curves = falling(STEPS) + 0.05 * rng.normal(size=(4, len(STEPS)))  # out of order, too
    found = steps_to_match(STEPS, curves, curves)
    for ratio in (found.share, found.longer):
        assert ratio.value == pytest.approx(1, abs=1e-9)


def test_the_proposal_and_the_default_may_swap():
    one, other = paired(0.8, 0.0, np.random.default_rng(1))
    there, back = steps_to_match(STEPS, one, other), steps_to_match(STEPS, other, one)
    assert there.share == back.longer
    assert there.longer == back.share
    assert back.share.value > 1 > back.longer.value


@pytest.mark.parametrize("share", [1.0, 0.73])
def test_intervals_hold_the_truth_about_as_often_as_they_say(share):
    rng = np.random.default_rng(2)
    held = np.zeros(2)
    shares = []
    for _ in range(60):
        found = steps_to_match(STEPS, *paired(share, 0.005, rng))
        shares.append(found.share.value)
        held += [
            found.share.low <= share <= found.share.high,
            found.longer.low <= 1 / share <= found.longer.high,
        ]
    assert np.median(shares) == pytest.approx(share, rel=0.02)
    assert (held / 60 > 0.75).all()


def test_few_seeds_make_wide_intervals_and_the_fit_widens_them():
    rng = np.random.default_rng(3)
    one, other = paired(0.7, 0.003, rng, 6)
    widths = []
    for n in (2, 3, 6):
        found = steps_to_match(STEPS, one[:n], other[:n])
        widths.append(np.log(found.longer.high / found.longer.low))
    assert widths[0] > widths[1] > widths[2]
    # Three measures fit the law, and no check of it.
    few = steps_to_match(STEPS, one, other, first=STEPS[-3])
    assert few.longer.value == pytest.approx(1 / 0.7, rel=0.1)
    assert (few.longer.low, few.longer.high) == (0.0, np.inf)
    assert np.isfinite(few.share.high)
    alone = steps_to_match(STEPS, one, other, first=STEPS[-1])
    assert alone.longer.n_seeds == 0
    assert np.isnan(alone.longer.value)


def test_a_decay_biases_the_share_to_one_and_last_mends_the_law():
    steps = np.unique(np.rint(np.geomspace(20, 2000, 40)))
    bump = 0.3 * np.clip((steps - 1600) / 400, 0, 1)
    one, other = falling(steps / 0.73) - bump, falling(steps) - bump
    found = steps_to_match(steps, one, other, last=1600)
    assert 0.8 < found.share.value < 1
    assert found.longer.value == pytest.approx(1 / 0.73, rel=0.01)


def test_pairs_with_a_diverged_run_are_left_out_and_flat_curves_match_nothing():
    one, other = paired(0.8, 0.0, np.random.default_rng(4))
    one[1, -2:] = np.nan
    found = steps_to_match(STEPS, one, other)
    assert (found.share.n_seeds, found.longer.n_seeds) == (2, 2)
    lost = steps_to_match(STEPS, one * np.nan, other).share
    assert np.isnan(lost.value)
    assert (lost.low, lost.high, lost.n_seeds) == (0.0, np.inf, 0)
    flat = np.full(len(STEPS), 4.0)
    assert np.isnan(steps_to_match(STEPS, flat, falling(STEPS)).share.value)


def test_a_loss_below_the_laws_floor_is_never_reached():
    steps = np.geomspace(10, 1e6, 30)
    never = steps_to_match(steps, falling(steps) - 1, falling(steps)).longer
    assert (never.value, never.low, never.high) == (np.inf, 0.0, np.inf)


def test_runs_to_match_must_be_pairs():
    with pytest.raises(ValueError, match="same shape"):
        steps_to_match([1, 2], [[2.0, 1.0]] * 2, [2.0, 1.0])
    with pytest.raises(ValueError, match="'level' must be in"):
        steps_to_match([1, 2], [2.0, 1.0], [2.0, 1.0], level=1)


# Step changes


def planted(kind: str, n: int, noise: float, seed: int):
    rng = np.random.default_rng(seed)
    steps = np.geomspace(10, 10_000, n)
    log = np.log(steps)
    centre, width = rng.uniform(log[0] + 1.5, log[-1] - 1.5), rng.uniform(0.05, 0.4)
    top, power = rng.uniform(0.4, 0.95), rng.uniform(0.1, 1)
    values = {
        "step": 0.05 + 0.85 / (1 + np.exp(-(log - centre) / width)),
        "gradual": top * (1 - (steps / steps[0]) ** -power),
        "flat": np.full(n, 0.3),
    }[kind]
    return steps, np.clip(values + noise * rng.normal(size=n), 0, 1), np.exp(centre)


@pytest.mark.parametrize(
    ("n", "noise", "least"), [(12, 0.01, 0.7), (20, 0.01, 0.9), (40, 0.03, 0.7)]
)
@pytest.mark.parametrize(("kind", "other"), [("step", "gradual"), ("gradual", "step")])
def test_planted_curves_are_told_apart_or_left_undecided(n, noise, least, kind, other):
    said = []
    for seed in range(30):
        steps, values, centre = planted(kind, n, noise, seed)
        found = step_change(steps, values)
        said.append(found.kind)
        if found.kind == "step" and kind == "step":
            assert found.step == pytest.approx(centre, rel=0.3)
    assert said.count(kind) >= least * 30
    assert said.count(other) <= 1


def test_flat_and_short_curves_are_undecided():
    for seed in range(30):
        steps, values, _ = planted("flat", 20, 0.03, seed)
        assert step_change(steps, values).kind == "undecided"
    assert step_change(steps, np.zeros(20)).kind == "undecided"
    few = step_change(steps[:7], values[:7])
    assert few.kind == "undecided"
    assert np.isnan([few.step, few.rise, *few.weights.values()]).all()
    assert step_change(steps[:8], values[:8]).weights["flat"] > 0.5
    values[7:] = np.nan
    assert np.isnan(step_change(steps, values).step)


def test_a_step_without_noise_is_measured():
    steps = np.geomspace(1, E**10, 60)
    values = 0.25 + 0.5 / (1 + np.exp(-(np.log(steps) - 6) / 0.2))
    found = step_change(steps, values, chance=0.25)
    assert found.kind == "step"
    assert found.weights["step"] > 0.999
    assert sum(found.weights.values()) == pytest.approx(1)
    assert found.step == pytest.approx(E**6, rel=1e-3)
    assert np.log(found.rise) == pytest.approx(0.2 * 2 * np.log(9), rel=1e-2)
    assert (found.low, found.high) == pytest.approx((0.25, 0.75), abs=1e-3)
    # The same curve is gradual for who asks for a sharper step.
    assert step_change(steps, values, chance=0.25, within=2).kind == "gradual"


def test_options_of_step_change_are_checked():
    for option in ({"chance": 1}, {"sure": 0.5}, {"within": 1}, {"resolution": 0}):
        with pytest.raises(ValueError, match=f"'{next(iter(option))}' must be"):
            step_change([1, 2], [0.1, 0.2], **option)
    with pytest.raises(ValueError, match="in \\[0, 1\\]"):
        step_change([1, 2], [3.4, 3.3])
    with pytest.raises(ValueError, match="one curve"):
        step_change([1, 2], [[0.1, 0.2]])


# What to read when


def test_a_relation_needs_evidence():
    assert relation((-0.1, 0.3)) == "none"
    assert relation((-0.3, -0.1), (0.1, 0.2)) == "none"
    assert relation((0.1, 0.3)) == "transfer"
    assert relation((0.1, 0.3), (-0.1, 0.1)) == "transfer"
    assert relation((0.1, 0.3), (0.05, 0.1)) == "dependency"


@pytest.mark.parametrize(
    ("effects", "expected"),
    [
        ([0.3, -0.5, 0.3], "none"),  # the source is worth no more than any other domain
        ([-0.3, -0.9, 0.3], "transfer"),
        ([-0.9, -0.3, 0.3], "dependency"),
    ],
)
def test_what_a_law_of_measured_runs_says_of_a_source(effects, expected):
    rng = np.random.default_rng(0)
    mixtures = dirichlet(np.array([0.3, 0.3, 0.4]), 40, rng)
    losses = 3 + mixtures @ np.array([effects]).T + 0.003 * rng.normal(size=(40, 1))
    law = Linear().fit(mixtures, losses, rng)
    found = relate(law, [0.3, 0.3, 0.4], 0, 1, 0)
    assert found.relation == expected
    assert found.move == pytest.approx(0.1)
    assert found.helps == pytest.approx(0.1 * (effects[2] - effects[0]), abs=0.002)
    assert found.replaces == pytest.approx(0.1 * (effects[1] - effects[0]), abs=0.002)
    assert found.helps_interval[0] < found.helps < found.helps_interval[1]


def test_few_runs_are_no_evidence_of_transfer():
    rng = np.random.default_rng(0)
    mixtures = dirichlet(np.array([0.3, 0.3, 0.4]), 8, rng)
    law = Additive().fit(mixtures, 3 - mixtures[:, :1], rng)
    assert relate(law, [0.3, 0.3, 0.4], 0, 1, 0).relation == "none"
    for base, said in (([0.5, 0.5, 0.0], "Nothing to move"), ([0.5, 0.0, 0.5], "Nothing to move")):
        with pytest.raises(ValueError, match=said):
            relate(law, base, 0, 1, 0)
    with pytest.raises(ValueError, match="two different domains"):
        relate(law, [0.3, 0.3, 0.4], 1, 1, 0)
    with pytest.raises(ValueError, match="'loss' must be in"):
        relate(law, [0.3, 0.3, 0.4], 0, 1, 1)


def test_a_curriculum_for_each_relation():
    shares = [0.1, 0.3, 0.6]
    alone = curriculum(shares, 0, 1, "none")
    assert alone.mixtures == pytest.approx(np.array([[0, 0.4, 0.6]]))
    even = curriculum(shares, 0, 1, "transfer")
    assert even.mixtures == pytest.approx(np.array([[0.2, 0.2, 0.6]]))
    ordered = curriculum(shares, 0, 1, "dependency")
    assert ordered.ends == pytest.approx((0.25, 1))
    assert np.array(ordered.mixtures) == pytest.approx(np.array([[0.4, 0, 0.6], [0, 0.4, 0.6]]))
    assert ordered.mean == pytest.approx(shares)
    with pytest.raises(ValueError, match="before the other"):
        curriculum([0, 0.4, 0.6], 0, 1, "dependency")
    with pytest.raises(ValueError, match="none of both"):
        curriculum([0, 0, 1], 0, 1, "none")
    with pytest.raises(ValueError, match="'relation' must be"):
        curriculum(shares, 0, 1, "friends")  # type: ignore[arg-type]
