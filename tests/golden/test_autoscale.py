"""DDO and AutoScale (arXiv 2407.20177) against the figures their notebooks print."""

import os
from pathlib import Path

import numpy as np
import pytest

from bench import laws_autoscale
from bench.published import autoscale
from mixing.autoscale import extrapolate

SHARED = Path(os.environ.get("CURATE_SHARED", Path(__file__).parents[2].parent / "shared"))
DATA = SHARED / "data" / "published"

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(),
    reason="published runs not found: set CURATE_SHARED to the folder that holds data/published",
)


def test_fit_and_optimum_to_the_printed_digits():
    _, rows, figures = laws_autoscale.figures(DATA)
    assert figures["autoscale_max_diff"] < 5.5e-6
    assert all(row[3] == row[4] for row in rows)


def test_the_text_and_the_code_give_other_optima():
    stored = autoscale(DATA)
    as_written = laws_autoscale.fit(stored, 1 / 3).optimum(7, 0.2)
    assert np.allclose(as_written, [1.501, 0.2, 1.247, 1.177, 1.666, 0.758, 0.452], atol=5e-4)
    law = laws_autoscale.fit(stored, 0.2)
    optimum = law.optimum(7, 0.2)
    gain = stored["base"][-1] * (law.losses(optimum) - law.losses(np.ones(7))).sum()
    assert gain == pytest.approx(-1.63, abs=0.005)


def test_the_predictor_at_an_intermediate_scale():
    check = laws_autoscale.predictor_check(autoscale(DATA))
    published = [-3.6, 0, 2.7, 2.9, 2.1, -17.8, 20.1]
    assert np.allclose(100 * check.relative_error, published, atol=0.05)
    assert check.share_l1 == pytest.approx(0.053, abs=5e-4)
    assert check.share_max == pytest.approx(0.0195, abs=5e-5)


def test_the_predicted_scales():
    multipliers = autoscale(DATA)["optimal_multipliers_by_scale"]
    first, second = (np.array(multipliers[f"{b}B"]) * b / 7 for b in (0.3, 1.2))
    totals = [extrapolate(first, second, step).sum() for step in (2, 3, 4, 5)]
    assert np.allclose(totals, [5.0005, 21.389, 93.228, 412.44], rtol=2e-5)
    third = extrapolate(first, second, 2)
    shares = [0.2342, 0.0274, 0.1995, 0.1421, 0.3080, 0.0773, 0.0115]
    assert np.allclose(third / third.sum(), shares, atol=6e-5)
