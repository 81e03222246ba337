"""Faults: deterministic, visible, of about the right size, and what their names say."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.demo.damage import DAMAGES, damage, shuffled_words

TEXT = """\
Rivers carry more than water. In spring the snow of the hills comes down, and with it sand,
clay and the seeds of plants which grow nowhere else along the banks.

The mill was built in 1712; its owner's name isn't known. A note says "the wheel turned
well - until the flood", and nothing more was written about it for eighty years.
"""


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("name", DAMAGES)
@pytest.mark.parametrize("seed", range(20))
def test_same_seed_gives_the_same_damage_and_it_shows(name: str, seed: int) -> None:
    damaged = DAMAGES[name](TEXT, rng(seed))
    assert damaged == DAMAGES[name](TEXT, rng(seed))
    assert damaged != TEXT
    assert len(damaged) > len(TEXT) / 2


@pytest.mark.parametrize("name", DAMAGES)
def test_seeds_differ(name: str) -> None:
    assert len({DAMAGES[name](TEXT, rng(seed)) for seed in range(10)}) > 5


@pytest.mark.parametrize("name", [n for n in DAMAGES if n != "repeated_lines"])
def test_damage_covers_most_of_the_text(name: str) -> None:
    """No 90 characters of the text survive in a row. Repeated lines are tested below."""
    intact = 0
    for seed in range(50):
        damaged = DAMAGES[name](TEXT, rng(seed))
        intact += any(TEXT[at : at + 90] in damaged for at in range(0, len(TEXT) - 90, 5))
    assert intact <= 5  # fragments may be that long


def test_shuffling_keeps_the_words() -> None:
    for seed in range(20):
        assert sorted(shuffled_words(TEXT, rng(seed)).split()) == sorted(TEXT.split())


def test_repetition_repeats() -> None:
    for seed in range(50):
        words = DAMAGES["repeated_lines"](TEXT, rng(seed)).split()
        pairs = list(pairwise(words))
        assert len(set(pairs)) < 0.75 * len(pairs)


def test_number_table_holds_more_figures_than_letters_of_the_text() -> None:
    for seed in range(50):
        table = DAMAGES["number_table"](TEXT, rng(seed))
        assert sum(c.isdigit() for c in table) > 0.15 * len(table)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80), st.integers(0, 2**32))
def test_any_text_can_be_damaged(text: str, seed: int) -> None:
    damaged, name = damage(text, rng(seed))
    assert damaged != text
    assert (damaged, name) == damage(text, rng(seed))
    damaged.encode()


def test_all_kinds_are_drawn() -> None:
    assert {damage(TEXT, rng(seed))[1] for seed in range(100)} == set(DAMAGES)


def test_one_word_cannot_be_shuffled() -> None:
    assert shuffled_words("word", rng(0)) == "word"
