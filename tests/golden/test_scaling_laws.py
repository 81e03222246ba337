"""Laws of scale against published figures.

Over-training (arXiv 2403.08540), the critical share of continual training and the nesting of step
and size law on five domains, judged at the largest model (arXiv 2403.16952).
"""

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from bench import laws_critical, laws_overtraining
from mixing.scaling import PowerLaw, nest

SHARED = Path(os.environ.get("CURATE_SHARED", Path(__file__).parents[2].parent / "shared"))
DATA = SHARED / "data" / "published"
SIZES = {"70M": 18915328, "160M": 85056000, "305M": 201541632, "410M": 302311424}
STEPS = (10000, 12000, 14000, 16000, 18000, 20000, 22000, 24000, 27000, 30000)

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(),
    reason="published runs not found: set CURATE_SHARED to the folder that holds data/published",
)


def test_the_published_overtraining_fit():
    found = laws_overtraining.reproduce(DATA)
    law, error, floor = found.loss, found.error, found.loss.E
    assert law.a * 6**-law.eta == pytest.approx(166.211, abs=5e-4)
    assert law.b == pytest.approx(366.687, abs=5e-4)
    assert -2 * law.eta == pytest.approx(-0.272851, abs=5e-7)
    assert floor == pytest.approx(1.836648, abs=1e-6)
    assert error.k == pytest.approx(2.20649, abs=5e-6)
    assert error.gamma == pytest.approx(0.714591, abs=5e-7)
    assert error.epsilon == pytest.approx(0.856992, abs=5e-7)
    assert np.array_equal(np.round(found.relative_error, 4), laws_overtraining.PUBLISHED)


def test_all_points_estimate_better():
    same = laws_overtraining.reproduce(DATA).relative_error
    better = laws_overtraining.from_all(DATA).relative_error
    assert (better[:2] < same[:2] / 4).all()  # losses
    assert better[2:].mean() < same[2:].mean()  # errors: one better, one worse


def test_the_published_critical_share():
    _, _, figures = laws_critical.figures(DATA)
    assert figures["critical_share"] == pytest.approx(0.286, abs=0.001)
    assert figures["critical_share"] == pytest.approx(laws_critical.PUBLISHED, abs=5e-5)


def test_nested_laws_predict_the_largest_of_the_five_domain_models():
    losses = {}
    with (DATA / "mixinglaws" / "five_domains.csv").open() as file:
        for row in csv.DictReader(file):
            if int(row["run"]) < 900:
                key = row["mixture"], row["size"], int(row["step"]), row["validation_domain"]
                losses[key] = float(row["loss"])
    mixtures, targets = (sorted({key[i] for key in losses}) for i in (0, 3))
    table = np.array(
        [[[[losses[m, n, s, t] for t in targets] for s in STEPS] for n in SIZES] for m in mixtures]
    )
    sizes, truth = np.array(list(SIZES.values())), table[:, 3, -1]
    found = nest(
        table[:, :3, :8], sizes[:3], STEPS[:8], target_size=sizes[3], target_step=STEPS[-1]
    )
    error = np.abs(found.losses - truth).mean()
    assert error < 0.02  # of .125 for the largest model's last loss, taken as final
    assert error < np.abs(table[:, 2, 7] - truth).mean() / 6
    assert (found.sizes.error < found.sizes.error_constant).all()
    assert found.steps.error.mean() < found.steps.error_constant.mean()
    assert found.sizes.order.mean() > 0.95
    # From two sizes the data do not tell the exponent, and the prior's is kept.
    two = nest(
        table[:, 1:3],
        sizes[1:3],
        STEPS,
        target_size=sizes[3],
        target_step=STEPS[-1],
        size_law=PowerLaw(exponent=0.2),
    )
    assert two.exponents[1] == pytest.approx(0.2, abs=1e-3)
    assert two.sizes is None
