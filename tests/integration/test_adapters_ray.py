"""`as_map` and `ScoreColumns` in a real Ray Data stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from curate.adapters import ScoreColumns, as_map
from curate.engines.ray import Ray
from tests.integration.test_adapters import ADDED, REASONS, RECIPE, TEXTS, check, expected

pytestmark = pytest.mark.filterwarnings("ignore")
"""Ray leaves sockets and processes to its own clean-up; what it warns of is not ours."""

__all__ = ["expected"]


@pytest.fixture(scope="module")
def rows() -> Iterator[Any]:
    import ray

    Ray(most_workers=2).call(int)  # starts it
    items = [{"text": text, "n": i} for i, text in enumerate(TEXTS)]
    yield ray.data.from_items(items, override_num_blocks=3)
    ray.shutdown()


def in_order(data: Any) -> list[dict[str, Any]]:
    return sorted(data.take_all(), key=lambda row: row["n"])


@pytest.mark.parametrize("batch_format", ["default", "numpy", "pandas", "pyarrow"])
def test_map_batches(rows: Any, expected: list[float | None], batch_format: str) -> None:
    data = rows.map_batches(as_map(RECIPE), batch_format=batch_format, batch_size=2)
    found = in_order(data)
    assert [*found[0]] == ["text", "n", *ADDED]
    assert [row["text"] for row in found] == TEXTS
    check([row["perplexity"] for row in found], expected)
    assert [row["perplexity_reason"] for row in found] == REASONS


def test_actors(rows: Any, expected: list[float | None]) -> None:
    from ray.data import ActorPoolStrategy

    data = rows.map_batches(
        ScoreColumns,
        fn_constructor_kwargs={"scorer": RECIPE, "name": "ppl"},
        compute=ActorPoolStrategy(size=1),
        num_gpus=0,
        batch_format="pyarrow",
    )
    found = in_order(data)
    check([row["ppl"] for row in found], expected)
    assert [row["ppl_reason"] for row in found] == REASONS
