"""Groups of domains: bounded together, named where they conflict, and the way within."""

import numpy as np
import pytest

from mixing import Constraints, Group
from mixing.polytope import Polytope

NAMES = ("web", "code", "books", "synthetic")
REAL = Group(domains=(0, 1, 2), lower=0.6, name="real")


def random_constraints(rng, n):
    """Constraints around one feasible mixture, with groups that overlap."""
    feasible = rng.dirichlet(np.ones(n))
    groups = []
    for _ in range(int(rng.integers(1, 4))):
        domains = tuple(rng.choice(n, size=int(rng.integers(1, n)), replace=False).tolist())
        total = float(feasible[list(domains)].sum())
        low, high = max(0.0, total - 0.1 * rng.random()), min(1.0, total + 0.1 * rng.random())
        equal = rng.random() < 0.2
        groups.append(
            Group(domains=domains, lower=total if equal else low, upper=total if equal else high)
        )
    lower = np.where(rng.random(n) < 0.4, feasible * rng.random(n), 0)
    upper = np.where(rng.random(n) < 0.4, np.minimum(1, feasible * (1 + rng.random(n))), 1)
    return Constraints(lower=tuple(lower), upper=tuple(upper), groups=tuple(groups))


@pytest.mark.parametrize("seed", range(40))
def test_what_is_brought_within_meets_every_constraint(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 8))
    constraints = random_constraints(rng, n)
    room = constraints.polytope(n)
    given = rng.dirichlet(np.full(n, 0.3), 30)
    before = given.copy()
    mixtures = room.bring(given)
    assert np.array_equal(given, before)
    assert np.allclose(mixtures.sum(axis=1), 1, atol=1e-11)
    for limit in constraints.limits(n):
        assert (mixtures @ limit.row <= limit.at_most + 1e-11).all()
    assert np.allclose(room.bring(mixtures), mixtures, atol=1e-11)


def test_a_group_is_raised_in_the_proportions_of_its_members():
    room = Constraints(groups=(REAL,)).polytope(4)
    assert np.allclose(room.bring(np.array([0.1, 0.1, 0.2, 0.6])), [0.15, 0.15, 0.3, 0.4])
    inside = np.array([0.5, 0.1, 0.2, 0.2])
    assert np.array_equal(room.bring(inside), inside)


def test_corners_solve_the_linear_program():
    rng = np.random.default_rng(0)
    for _ in range(10):
        constraints = random_constraints(rng, 5)
        room = constraints.polytope(5)
        inside = room.bring(rng.dirichlet(np.ones(5), 200))
        cost = rng.normal(size=5)
        assert room.minimum(cost) @ cost <= (inside @ cost).min() + 1e-9
        assert constraints.violated(room.minimum(cost)) == ()


def test_conflicts_with_groups_name_the_fewest_constraints():
    cases = [
        (Constraints(lower=(0, 0, 0, 0.5), groups=(REAL,), names=NAMES),
         ["'synthetic': lower bound 0.5", "group 'real': at least 0.6"]),
        (Constraints(upper=(0.3, 0.1, 0.1, 1), groups=(REAL,), names=NAMES),
         ["'web': upper bound 0.3", "'code': upper bound 0.1", "'books': upper bound 0.1",
          "group 'real': at least 0.6"]),
        (Constraints(upper=(0.2, 1, 0.9, 1), available_tokens=(1e9, 1e9, 1e9, 9e9),
                     budget_tokens=20e9, max_epochs=4, groups=(Group(domains=(0, 2), lower=0.5),)),
         ["domain 0: ", "domain 2: repetition cap (4 epochs of the available tokens) 0.2",
          "group 0: at least 0.5"]),
        (Constraints(groups=(REAL, Group(domains=(3, 2), lower=0.7, name="b"),
                             Group(domains=(2,), upper=0.2))),
         ["group 'real': at least 0.6", "group 'b': at least 0.7", "group 2: at most 0.2"]),
    ]  # fmt: skip
    for constraints, wanted in cases:
        with pytest.raises(ValueError, match="No mixture meets the constraints") as raised:
            constraints.polytope(4)
        message = str(raised.value)
        assert all(part in message for part in wanted), message
        assert message.count(";") == len(wanted) - 1


def test_violations_are_told_in_words():
    constraints = Constraints(upper=(0.4, 1, 1, 1), groups=(REAL,), names=NAMES)
    assert constraints.violated(np.array([0.5, 0, 0, 0.5])) == (
        "'web': upper bound 0.4",
        "group 'real': at least 0.6",
    )
    assert constraints.violated(np.array([0.4, 0.1, 0.1, 0.4])) == ()


def test_groups_are_checked():
    for wrong, message in [
        ({"domains": ()}, "'domains' of Group must be"),
        ({"domains": (1, 1)}, "each once"),
        ({"domains": (-1,)}, "'domains' of Group must be"),
        ({"domains": (0,), "lower": 1.5}, r"'lower' of Group must be in \[0, 1\]. Got 1.5"),
        ({"domains": (0,), "upper": float("nan")}, "'upper' of Group must be"),
    ]:
        with pytest.raises(ValueError, match=message):
            Group(**wrong)
    with pytest.raises(ValueError, match="must be below 2, the number of domains"):
        Constraints(groups=(REAL,)).polytope(2)


def test_an_empty_polytope_says_so():
    empty = Polytope(
        lower=np.zeros(2), upper=np.ones(2), members=np.ones((1, 2)), least=np.zeros(1),
        most=np.full(1, 0.5),
    )  # fmt: skip
    with pytest.raises(RuntimeError, match="No mixture lies within the polytope"):
        empty.minimum(np.ones(2))


def test_binding_constraints_are_those_that_leave_no_room():
    constraints = Constraints(
        lower=(0.0, 0.0, 0.1, 0.1),
        upper=(0.9, 0.5, 1.0, 1.0),
        available_tokens=(1e9, 4e9, 1e9, 1e9),
        budget_tokens=10e9,
        max_epochs=2.0,
        names=NAMES,
        groups=(Group(domains=(0, 1, 2), lower=0.6, upper=0.9, name="real"),),
    )
    assert constraints.binding(np.array([0.2, 0.5, 0.2, 0.1])) == (
        "'synthetic': lower bound 0.1",
        "'code': upper bound 0.5",
        "'web': repetition cap (2 epochs of the available tokens) 0.2",
        "'books': repetition cap (2 epochs of the available tokens) 0.2",
        "group 'real': at most 0.9",
    )
    assert constraints.binding(np.array([0.1, 0.4, 0.15, 0.35])) == ()
    assert constraints.binding(np.array([0.0, 0.45, 0.15, 0.4])) == (
        "group 'real': at least 0.6",
        "'web': a share of 0",
    )
