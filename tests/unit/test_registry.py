"""Names find their classes, and unknown ones what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from curate.errors import ConfigError
from curate.registry import BUILT_IN, find, make_scorer, names


@pytest.mark.parametrize("kind", list(BUILT_IN))
def test_every_built_in_name_is_found(kind: str) -> None:
    for name in BUILT_IN[kind]:
        assert find(kind, name).name == name
        assert name in names(kind)


def test_unknown_names_answer_with_the_nearest() -> None:
    with pytest.raises(
        ConfigError, match=r"'perplexiti' is none of the scorers\. Did you mean 'per"
    ):
        find("scorers", "perplexiti")
    with pytest.raises(ConfigError, match="There is top-k, inverse-propensity, random"):
        find("samplers", "zzz")


def test_options_of_scorers() -> None:
    scorer = make_scorer("density", n_reference=7, bandwidth=None)
    assert (scorer.n_reference, scorer.bandwidth) == (7, None)
    with pytest.raises(ConfigError, match=r"no option 'n_referenc'\. Did you mean 'n_reference'"):
        make_scorer("density", n_referenc=7)
    with pytest.raises(ConfigError, match=r"density: 'n_reference' of Ref.* at least 2\. Got 1"):
        make_scorer("density", n_reference=1)
    with pytest.raises(ConfigError, match="density: "):
        make_scorer("density", bandwidth="wide")
    with pytest.raises(ConfigError, match=r"perplexity: .*'model'"):
        make_scorer("perplexity")


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ConfigError) as caught:
        make_scorer("perplexity", model=str(tmp_path))
    assert str(tmp_path) in str(caught.value)
