"""Do raters agree? Rank correlations between score tables of the same documents."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samplers import Take

from ..errors import ConfigError
from ..files import read_json
from ..schema import SCORE
from ..seeds import lots
from ..tables import CONFIG, ScoreStore
from .aligned import Aligned, numbers

MOST = 500_000
_TWO_SIDED = 1.96


@dataclass(frozen=True)
class Pair:
    """Two raters.

    Attributes:
        one, other: their names.
        n: documents that both have a score for.
        tau: Kendall's tau-b, in [-1, 1]; NaN where n < 2 or all scores of one are equal.
        rho: Spearman's, likewise.
    """

    one: str
    other: str
    n: int
    tau: float
    rho: float

    @property
    def chance(self) -> float:
        """|tau| that raters who have nothing in common exceed in 5 % of all samples."""
        return _TWO_SIDED * tau_deviation(self.n)


@dataclass(frozen=True)
class Correlations:
    """Every pair of raters.

    Attributes:
        names: of the raters.
        pairs: of each two.
        turned: raters whose scores were turned round, so that greater is better.
        directionless: raters of whose scores neither end is better.
        n_documents: that at least two raters have a score for.
        n_used: of these; fewer where a sample was drawn.
    """

    names: Sequence[str]
    pairs: Sequence[Pair]
    turned: Sequence[str]
    directionless: Sequence[str]
    n_documents: int
    n_used: int

    def matrix(self, coefficient: str) -> NDArray[np.float64]:
        """One attribute of all pairs, float64[raters, raters], symmetric.

        Args:
            coefficient: "tau" or "rho", with 1 on the diagonal, or "n", with NaN there.
        """
        found = np.full((len(self.names),) * 2, math.nan)
        if coefficient != "n":
            np.fill_diagonal(found, 1.0)
        place = {name: at for at, name in enumerate(self.names)}
        for pair in self.pairs:
            at = place[pair.one], place[pair.other]
            found[at] = found[at[::-1]] = getattr(pair, coefficient)
        return found


def tau_deviation(n: int) -> float:
    """Standard deviation of tau between two independent rankings of n documents without ties.

    Source: Kendall 1938. With ties it is approximate.
    """
    return math.sqrt(2 * (2 * n + 5) / (9 * n * (n - 1))) if n > 1 else math.inf


def correlate(
    directories: Sequence[str | Path], *, most: int = MOST, seed: int = 0
) -> Correlations:
    """Kendall's tau-b and Spearman's rho of every two score tables.

    Each pair is compared on the documents that both have a score for. Scores of which less is
    better, such as perplexities, are turned round, so that a positive coefficient means agreement.

    Source: Sachdeva et al. 2024 (arXiv 2402.09668v1), Figure 7: tau on 500,000 random documents,
    -0.11 to 0.42 between Ask-LLM raters of five sizes. Departures: tau-b, which allows for ties;
    rho beside it.

    Args:
        directories: of score tables, or directories that hold such.
        most: documents used; where there are more, a uniform sample by permanent random number.
        seed: of the sample.

    Raises:
        ConfigError: fewer than two score tables, or tables of different documents.
    """
    found = list(dict.fromkeys(path for given in directories for path in _stores(Path(given))))
    if len(found) < 2:
        raise ConfigError(
            f"Correlations need at least 2 directories of score tables. Found {len(found)} in "
            f"{', '.join(map(str, directories))}."
        )
    aligned = Aligned.open(found)
    names = _labels(found)
    n_documents, scores = _sample(aligned, most, seed)
    better = {
        name: store.config["higher_is_better"]
        for name, store in zip(names, aligned.stores, strict=True)
    }
    scores = scores * np.array([-1.0 if better[name] is False else 1.0 for name in names])
    pairs = [
        _pair(names[i], names[j], scores[:, i], scores[:, j])
        for i, j in combinations(range(len(names)), 2)
    ]
    return Correlations(
        names=names,
        pairs=pairs,
        turned=[name for name in names if better[name] is False],
        directionless=[name for name in names if better[name] is None],
        n_documents=n_documents,
        n_used=len(scores),
    )


def _stores(given: Path) -> list[Path]:
    """The directory itself, or the score tables up to two levels below it."""
    if (given / CONFIG).exists():
        return [given]
    paths = sorted([*given.glob(f"*/{CONFIG}"), *given.glob(f"*/*/{CONFIG}")])
    configs = {path.parent: read_json(path) for path in paths}
    stores = [ScoreStore(root, config) for root, config in configs.items() if "scorer" in config]
    return [store.root for store in stores if store.measured == SCORE]


def _labels(paths: Sequence[Path]) -> list[str]:
    """The shortest ends of the paths that tell them apart."""
    parts = [path.resolve().parts for path in paths]

    def label(mine: Sequence[str]) -> str:
        for n in range(1, len(mine)):
            if sum(other[-n:] == mine[-n:] for other in parts) == 1:
                return "/".join(mine[-n:])
        return "/".join(mine)

    return [label(mine) for mine in parts]


def _sample(aligned: Aligned, most: int, seed: int) -> tuple[int, NDArray[np.float64]]:
    """How many documents two raters scored, and the scores of at most ``most``, [n, raters]."""
    take, n_documents = Take(most), 0
    for keys, _ in _rated(aligned):
        take.add(lots(seed, "correlate", keys), keys, np.ones(len(keys)))
        n_documents += len(keys)
    cutoff = take.cutoff()
    parts = [
        scores[cutoff.taken(lots(seed, "correlate", keys), keys)]
        for keys, scores in _rated(aligned)
    ]
    return n_documents, np.concatenate(parts)


def _rated(aligned: Aligned) -> Iterator[tuple[NDArray[np.uint64], NDArray[np.float64]]]:
    """Keys and scores of the documents that at least two raters scored, shard by shard."""
    for _, tables in aligned.tables(["score"]):
        scores = np.stack([numbers(table) for table in tables], axis=1)
        enough = (~np.isnan(scores)).sum(axis=1) >= 2
        yield tables[0]["key"].to_numpy()[enough], scores[enough]


def _pair(one: str, other: str, x: NDArray[np.float64], y: NDArray[np.float64]) -> Pair:
    from scipy import stats

    both = ~(np.isnan(x) | np.isnan(y))
    x, y = x[both], y[both]
    if len(x) < 2 or (x == x[0]).all() or (y == y[0]).all():
        return Pair(one, other, len(x), math.nan, math.nan)
    tau: Any = stats.kendalltau(x, y, method="asymptotic")
    rho: Any = stats.spearmanr(x, y)
    return Pair(one, other, len(x), float(tau.statistic), float(rho.statistic))
