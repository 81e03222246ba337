"""Mixtures by phase: what is read when, and schedules that end in another mixture."""

from __future__ import annotations

import numpy as np
import pytest

from mixing.schedule import Schedule


def test_what_is_read_up_to_a_point_adds_up():
    plan = Schedule(mixtures=((0.5, 0.5), (0.1, 0.9), (1, 0)), ends=(0.2, 0.6, 1.0))
    assert plan.mean == pytest.approx([0.2 * 0.5 + 0.4 * 0.1 + 0.4, 0.1 + 0.36])
    assert plan.given(0.4) == pytest.approx([0.12, 0.28])
    assert plan.given(0) == pytest.approx([0, 0])
    for share in np.linspace(0, 1, 7):
        assert plan.given(share).sum() == pytest.approx(share)
    assert [plan.at(share)[0] for share in (0, 0.19, 0.2, 0.6, 1)] == [0.5, 0.5, 0.1, 1, 1]
    constant = Schedule.constant([0.3, 0.7])
    assert constant.ends == (1.0,)
    assert constant.mean == pytest.approx([0.3, 0.7])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"mixtures": ()}, "one or more of equal length"),
        ({"mixtures": ((0.5, 0.5), (1.0,)), "ends": (0.5, 1.0)}, "one or more of equal length"),
        ({"mixtures": ((0.5, 0.5),), "ends": (0.5, 1.0)}, "one per mixture"),
        ({"mixtures": ((0.5, 0.5),) * 2, "ends": (1.0, 1.0)}, "must increase"),
        ({"mixtures": ((0.5, 0.5),), "ends": (0.9,)}, "end at 1"),
        ({"mixtures": ((0.5, 0.6),)}, "sum to one"),
    ],
)
def test_schedules_are_checked(arguments, said):
    with pytest.raises(ValueError, match=said):
        Schedule(**arguments)


def test_the_last_part_reads_another_mixture():
    plain, heavy = [0.25, 0.25, 0.5], [0.6, 0.2, 0.2]
    plan = Schedule.anneal(plain, heavy, last=0.1)
    assert plan.ends == pytest.approx((0.9, 1))
    assert plan.mean == pytest.approx(0.9 * np.array(plain) + 0.1 * np.array(heavy))
    kept = Schedule.anneal(plain, heavy, last=0.1, keep_mean=True)
    assert kept.mean == pytest.approx(plain)
    assert kept.mixtures[1] == pytest.approx(heavy)
    # As much of a domain at the end as there is in all leaves none for the start.
    edge = Schedule.anneal([0.3, 0.7], [1, 0], last=0.3, keep_mean=True)
    assert edge.mixtures[0] == pytest.approx((0, 1))
    assert edge.mean == pytest.approx([0.3, 0.7])


def test_a_last_part_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match=r"would read 0.5 of domain 0 .* just 0.3: shorten"):
        Schedule.anneal([0.3, 0.7], [1, 0], last=0.5, keep_mean=True)
    for last in (0, 1, np.nan):
        with pytest.raises(ValueError, match="'last' of anneal must be in"):
            Schedule.anneal([0.3, 0.7], [1, 0], last=last)
    with pytest.raises(ValueError, match="Got 2 and 3"):
        Schedule.anneal([0.3, 0.7], [1, 0, 0])
