"""What other packages add: names, directions, laws that are read again."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import mixing
from curate import registry
from curate.errors import ConfigError
from curate.registry import added, find, names
from curate.stages.ordering import needs_direction, suited
from curate.tables import ScoreStore
from mixing.laws.linear import Linear
from samplers import Sampler
from tests.made_scores import write_scores


@dataclass(frozen=True, kw_only=True)
class Cubed(Sampler):
    """Orders by the cube of the score."""

    name: ClassVar[str] = "cubed"
    uses_random: ClassVar[bool] = False
    higher_is_better: bool = True

    def order(self, score: Any, u: Any, calibration: Any = 1.0) -> Any:  # noqa: ARG002
        return -(score**3) if self.higher_is_better else score**3


@dataclass(frozen=True, kw_only=True)
class Plane(Linear):
    """A law that the library does not know."""

    name: ClassVar[str] = "plane"


@pytest.fixture
def plugged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    points = {
        "curate.samplers": [("cubed", f"{__name__}:Cubed"), ("top-k", f"{__name__}:Cubed")],
        "curate.laws": [("plane", f"{__name__}:Plane"), ("broken", "nothing_like_this:Law")],
    }

    def entry_points(*, group: str, name: str | None = None) -> list[EntryPoint]:
        found = [EntryPoint(name=n, value=v, group=group) for n, v in points.get(group, [])]
        return [point for point in found if name in (None, point.name)]

    monkeypatch.setattr(registry, "entry_points", entry_points)


@pytest.mark.usefixtures("plugged_in")
def test_names_of_curate_cannot_be_taken() -> None:
    assert [*added("samplers")] == ["cubed"]
    assert names("samplers").count("top-k") == 1
    assert find("samplers", "top-k").__name__ == "TopK"
    assert find("samplers", "cubed") is Cubed


@pytest.mark.usefixtures("plugged_in")
def test_a_sampler_with_a_direction_is_given_that_of_the_scores(tmp_path: Path) -> None:
    assert [name for name in names("samplers") if needs_direction(name)] == [
        "top-k",
        "softmax",
        "cubed",
    ]
    for column, better in (("p_yes", True), ("nll_per_token", False)):
        store = ScoreStore.open(write_scores(tmp_path / column, 1, column=column))
        assert suited("cubed", {}, store) == Cubed(higher_is_better=better)
    store = ScoreStore.open(write_scores(tmp_path / "density", 1, column="log_density"))
    with pytest.raises(ConfigError, match="cubed on 'log_density': neither end is better"):
        suited("cubed", {}, store)


@pytest.mark.usefixtures("plugged_in")
def test_a_law_is_read_again_by_whoever_knows_its_class() -> None:
    rng = np.random.default_rng(0)
    mixtures = rng.dirichlet(np.ones(3), 12)
    fitted = Plane().fit(mixtures, mixtures @ [[1.0], [2.0], [3.0]], rng)
    stored = fitted.to_dict()
    with pytest.raises(ValueError, match="'law' must be one of"):
        mixing.FittedLaw.from_dict(stored)
    again = mixing.FittedLaw.from_dict(stored, lambda name: find("laws", name))
    assert isinstance(again.law, Plane)
    np.testing.assert_array_equal(again.predict(mixtures), fitted.predict(mixtures))


@pytest.mark.usefixtures("plugged_in")
def test_a_package_that_cannot_be_loaded_is_named() -> None:
    with pytest.raises(
        ConfigError, match=r"'broken' of the package \? cannot be loaded from 'noth"
    ):
        find("laws", "broken")
