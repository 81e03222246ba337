"""How fast and how exact are the densities beside the exact sum, and beside what others do?

Clustered vectors are scored in every way, turn by turn, on one thread; errors are those of a random
part of the documents; for race against the mean of its own kernel, the rank correlation against the
exact Gaussian density like everyone's. A whole job is the first pass and the scoring of all
documents, the latter extrapolated where only the part was scored. The peak of memory is what a way
adds to the data and to what ways before it hold; memory they gave back is not seen.

    python -m bench.density [--sizes 1e4,3e4]               a quick look
    python -m bench.density --device cuda --sizes 1e6       exact beside the product, on a GPU
"""

from __future__ import annotations

import time

import click
import numpy as np
from scipy.stats import spearmanr
from threadpoolctl import threadpool_limits

from scorers.density.exact import ExactDensity

from .density_data import ClusteredVectors, uniform_sample
from .density_ways import FloatArray, Problem, Taken, Way, compared, fitted, memory_growth
from .report import finish

_OWN_KERNEL_QUERIES = 300
_MAIN = 100_000  # documents at which ways are compared, where that is among the sizes
_FIGURE = {"100 neighbours alone": "knn_sum", "scikit-learn": "sklearn"}
_RATIOS = (
    ("exact", "sklearn", "scikit-learn"),
    ("exact", "matmul", "matrix product alone"),
    ("reference", "sklearn", "scikit-learn"),
    ("race", "sklearn", "scikit-learn"),
    ("faiss", "sklearn", "scikit-learn"),
)
_COLUMNS = (
    "documents",
    "way",
    "documents/s, median (least to greatest)",
    "whole job, s",
    "mean relative error",
    "rank correlation",
    "peak, MiB",
)


@click.command()
@click.option("--sizes", default="1e4,1e5,1e6", show_default=True, help="Documents, by comma.")
@click.option("--dimension", default=384, show_default=True)
@click.option("--queries", default=1000, show_default=True, help="On which errors are measured.")
@click.option("--rounds", default=3, show_default=True, help="Turns that count.")
@click.option("--threads", default=1, show_default=True)
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
def main(sizes: str, dimension: int, queries: int, rounds: int, threads: int, device: str) -> None:
    """Print speed, error and memory of every way, and the ratios that matter."""
    import faiss
    import torch

    torch.set_num_threads(threads)
    faiss.omp_set_num_threads(threads)
    numbers = sorted(int(float(size)) for size in sizes.split(","))
    if device != "cpu":
        rows, figures = _on_gpu(numbers[-1], dimension, device, rounds)
        finish(("way", "documents/s", "seconds"), rows, figures)
        return
    with threadpool_limits(threads):
        rows, figures = _on_cpu(numbers, dimension, queries, rounds)
    finish(_COLUMNS, rows, figures)


def _on_cpu(
    sizes: list[int], dimension: int, queries: int, rounds: int
) -> tuple[list[list[object]], dict[str, float]]:
    rows: list[list[object]] = []
    figures = {"rss_growth_race": memory_growth(sizes[-1], dimension)}
    jobs: dict[str, list[float]] = {"race": [], "reference": []}
    main_size = max((s for s in sizes if s <= _MAIN), default=sizes[0])
    for n in sizes:
        problem = Problem(ClusteredVectors(n, dimension), min(queries, n), rivals=n <= _MAIN)
        ways = problem.ways()
        taken = compared(ways, rounds)
        exact = taken["exact"].value
        own = problem.own_kernel(min(_OWN_KERNEL_QUERIES, problem.n_queries))
        for way in ways:
            spent, found = taken[way.name], taken[way.name].value
            truth = own if way.name == "race" else np.exp(exact)
            error, rank = _error(found, truth), _rank(found, exact)
            rows.append(_row(n, way, spent, error, rank))
            if way.name in jobs:
                jobs[way.name].append(_job(n, way, spent))
            if n == main_size and way.name != "exact":
                name = _FIGURE.get(way.name, way.name)
                figures[f"relative_error_{name}"] = error
                figures[f"rank_correlation_{name}"] = rank
        if n == main_size:
            figures |= _ratios(n, {way.name: way for way in ways}, taken)
    if len(sizes) > 1:
        for name, seconds in jobs.items():
            figures[f"slope_{name}"] = float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
    wanted = {k: v for k, v in figures.items() if np.isfinite(v)}
    return rows, wanted


def _ratios(n: int, ways: dict[str, Way], taken: dict[str, Taken]) -> dict[str, float]:
    """Rates over rates within a round, the median; and the whole job of race."""

    def rate(name: str) -> FloatArray:
        return ways[name].n_scored / np.array(taken[name].scoring)

    found = {
        f"{left}_vs_{name}": float(np.median(rate(left) / rate(right)))
        for left, name, right in _RATIOS
        if right in ways
    }
    if "scikit-learn" in ways:
        job = n / _job(n, ways["race"], taken["race"])
        found["race_job_vs_sklearn"] = job / float(np.median(rate("scikit-learn")))
    return found


def _job(n: int, way: Way, taken: Taken) -> float:
    return taken.preparing + float(np.median(taken.scoring)) * n / way.n_scored


def _error(found: FloatArray, truth: FloatArray) -> float:
    n = min(len(found), len(truth))
    return float(np.abs(np.exp(found[:n]) / truth[:n] - 1.0).mean()) if n else float("nan")


def _rank(found: FloatArray, exact: FloatArray) -> float:
    n = len(found)
    return float(spearmanr(found, exact[:n]).statistic) if n else float("nan")


def _row(n: int, way: Way, taken: Taken, error: float, rank: float) -> list[object]:
    rate = way.n_scored / np.array(taken.scoring)
    return [
        f"{n:,}",
        way.name + (" (error: its own kernel)" if way.name == "race" else ""),
        f"{np.median(rate):,.0f} ({rate.min():,.0f} to {rate.max():,.0f})",
        f"{_job(n, way, taken):,.1f}",
        f"{error:.2%}" if np.isfinite(error) else "",
        f"{rank:.3f}" if np.isfinite(rank) else "",
        f"{taken.peak:,.0f}",
    ]


def _on_gpu(
    n: int, dimension: int, device: str, rounds: int
) -> tuple[list[list[object]], dict[str, float]]:
    """Exact, all documents against all, beside the product of their float16 vectors alone."""
    import torch

    points = ClusteredVectors(n, dimension).all()
    scorer = fitted(ExactDensity(device=device), uniform_sample(points, 2000), [points])
    vector = torch.from_numpy(points.vector).to(device)
    size = 8192
    out = torch.empty(size, size, device=device)
    seconds = np.empty((rounds + 1, 2))
    for turn in range(rounds + 1):
        start = time.perf_counter()
        scorer.score(points)
        torch.cuda.synchronize()
        seconds[turn, 0] = time.perf_counter() - start
        start = time.perf_counter()
        for left in vector.split(size):
            for right in vector.split(size):
                into = out.view(-1)[: len(left) * len(right)].view(len(left), len(right))
                torch.mm(left, right.T, out_dtype=torch.float32, out=into)
        torch.cuda.synchronize()
        seconds[turn, 1] = time.perf_counter() - start
    seconds = seconds[1:]  # the first round warms up
    names = ("exact", "matrix product alone, float16")
    medians = np.median(seconds, axis=0)
    rows: list[list[object]] = [
        [name, f"{n / s:,.0f}", f"{s:.2f}"] for name, s in zip(names, medians, strict=True)
    ]
    return rows, {"exact_vs_matmul": float(np.median(seconds[:, 1] / seconds[:, 0]))}


if __name__ == "__main__":
    main()
