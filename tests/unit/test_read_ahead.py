"""Reading ahead in a thread: the same items, errors in their place, an end wherever it comes."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator

import pytest

from curate.engines.local import read_ahead


def alive() -> int:
    return threading.active_count()


@pytest.mark.parametrize("depth", [1, 2, 9])
def test_the_same_items(depth: int) -> None:
    assert list(read_ahead(iter(range(5)), depth)) == [0, 1, 2, 3, 4]
    assert list(read_ahead([], depth)) == []


def test_an_error_comes_where_the_item_would_have_come() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("what went wrong")

    made = read_ahead(items())
    assert next(made) == 1
    with pytest.raises(ValueError, match="what went wrong"):
        next(made)


def test_the_thread_ends_with_whoever_reads() -> None:
    before = alive()
    made = read_ahead(iter(range(1000)))
    assert next(made) == 0
    assert alive() == before + 1
    made.close()
    assert alive() == before


def test_garbage_may_be_collected_in_the_thread_itself() -> None:
    """A run that was interrupted leaves its generator to whichever thread collects garbage."""
    left: list[Generator[int, None, None]] = []
    found: list[RuntimeError] = []
    go_on, over = threading.Event(), threading.Event()

    def items() -> Iterator[int]:
        yield 0
        go_on.wait()
        try:
            left.pop().close()
        except RuntimeError as error:
            found.append(error)
        over.set()

    made = read_ahead(items())
    assert next(made) == 0
    left.append(made)
    go_on.set()
    assert over.wait(10)
    assert found == []
    assert list(made) == []
