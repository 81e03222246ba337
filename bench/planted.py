"""Do the scorers find damage that was planted on purpose?

Scores a corpus whose ``labels.parquet`` (id, domain, planted) says which documents were damaged,
through the same path as `curate score`, and prints the ROC AUC of each scorer: the chance that a
damaged document has a worse score than an undamaged one. Worse is a lower P(yes), rating, density
or rank, a higher perplexity, and a mean token prior farther from the corpus's median.
Near-duplicates are left out: they are undamaged text. The toy was trained to answer Ask-LLM's own
prompt and has never seen a rubric. KenLM is not among them: nothing here trains a model for it.

Then it asks whether density finds the near-duplicates (see `bench.near_duplicates`).

    python -m bench.planted --corpus DIR [--share 0.1] [--model demo] [--only near-duplicates]
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from curate.cli.console import quiet_models
from curate.corpus import Corpus, document_key
from curate.registry import make_embedder, make_scorer
from curate.stages.combine import combine
from curate.stages.embed import embed
from curate.stages.points import score_points
from curate.stages.score import score
from curate.tables import EMBEDDINGS, ScoreStore
from samplers import permanent_random

from .near_duplicates import KIND, measure
from .report import finish, print_table

Scores = NDArray[np.float64]


def _low(score: Scores) -> Scores:
    return -score


def _high(score: Scores) -> Scores:
    return score


def _far(score: Scores) -> Scores:
    return np.abs(score - np.nanmedian(score))


@dataclass(frozen=True)
class _Judged:
    """A scorer, its options, and which of its scores are worse."""

    options: dict[str, Any]
    worse: Callable[[Scores], Scores]
    asks_a_model: bool = False
    reads_points: bool = False


_JUDGED = {
    "ask-llm": _Judged({"max_tokens": 384}, _low, asks_a_model=True),
    "rubric": _Judged({"max_tokens": 512}, _low, asks_a_model=True),
    "perplexity": _Judged({}, _high, asks_a_model=True),
    "density": _Judged({}, _low, reads_points=True),
    "token-prior": _Judged({"tokenizer": "demo"}, _far),
}
_ENSEMBLE = ("ask-llm", "perplexity")
_CLEAN = "clean"


@click.command()
@click.option("--corpus", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--model", default="demo", show_default=True, help="For Ask-LLM and perplexity.")
@click.option("--share", default=1.0, show_default=True, help="Of the shards, for a quick look.")
@click.option("--embedder", default="hashed-ngrams", show_default=True, help="For density.")
@click.option("--cells", default=500, show_default=True, help="Of k-means.")
@click.option("--seeds", default=40, show_default=True, help="Selections by each method.")
@click.option("--only", type=click.Choice(["damage", "near-duplicates"]), help="One part.")
def main(
    corpus: Path,
    model: str,
    share: float,
    embedder: str,
    cells: int,
    seeds: int,
    only: str | None,
) -> None:
    """Print each scorer's ROC AUC against planted damage, and what becomes of near-duplicates."""
    quiet_models()
    labels = pq.read_table(corpus / "labels.parquet").to_pydict()
    kind = dict(zip(map(document_key, labels["id"]), labels["planted"], strict=True))
    read = Corpus(inputs=(str(corpus / "*" / "*.parquet"),))
    if share < 1:
        names = [shard.name for shard in read.shards]
        lots = permanent_random(0, np.array([document_key(n) for n in names], np.uint64))
        read = read.without({n for n, u in zip(names, lots, strict=True) if u >= share})
    rows: list[list[object]] = []
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory)
        runs: dict[str, tuple[Callable[[], object], Callable[[Scores], Scores]]] = {}
        for name, judged in _JUDGED.items():
            options = {**judged.options, **({"model": model} if judged.asks_a_model else {})}
            scorer = make_scorer(name, **options)
            run = partial(_embedded, embedder) if judged.reads_points else score
            runs[name] = partial(run, read, scorer, out), judged.worse
        raters = [out / name for name in _ENSEMBLE]
        runs["mean-rank"] = (
            lambda: combine(raters, out, how="mean-rank", name="mean-rank"),
            _low,
        )
        for name, (judge, worse) in runs.items() if only != "near-duplicates" else ():
            start = time.perf_counter()
            judge()
            seconds = time.perf_counter() - start
            found = _Found.read(ScoreStore.open(out / name), kind, worse)
            figures[f"auc_{name.replace('-', '_')}"] = found.auc()
            figures[f"seconds_{name.replace('-', '_')}"] = seconds
            rows += found.rows(name, seconds)
        if only != "damage":
            start = time.perf_counter()
            near = measure(read, kind, out, embedder=embedder, cells=cells, seeds=seeds)
            figures |= {**near.figures, "seconds_near_duplicates": time.perf_counter() - start}
            print_table(("by", "of", "what", "found"), near.rows)
    figures["seconds"] = sum(v for name, v in figures.items() if name.startswith("seconds_"))
    finish(("scorer", "against", "documents", "damaged", "AUC", "seconds"), rows, figures)


def _embedded(embedder: str, corpus: Corpus, spec: Any, out: Path) -> None:
    embed(corpus, make_embedder(embedder), out)
    score_points(out / EMBEDDINGS, spec, out)


class _Found:
    """Scores turned so that greater is worse, with what was planted."""

    def __init__(
        self, worse: NDArray[np.float64], kind: NDArray[Any], domain: NDArray[Any]
    ) -> None:
        self.worse, self.kind, self.domain = worse, kind, domain

    @classmethod
    def read(
        cls, store: ScoreStore, kind: dict[int, str], worse_of: Callable[[Scores], Scores]
    ) -> _Found:
        scores, kinds, domains = [], [], []
        for _, table in store.tables(["key", "score", "domain"]):
            scores += table["score"].to_pylist()
            kinds += [kind[key] for key in table["key"].to_pylist()]
            domains += table["domain"].to_pylist()
        worse = worse_of(np.array(scores, np.float64))
        planted = np.array(kinds)
        used = ~np.isnan(worse) & (planted != KIND)
        return cls(worse[used], planted[used], np.array(domains)[used])

    def auc(self, mask: NDArray[np.bool] | None = None) -> float:
        mask = np.ones(len(self.worse), bool) if mask is None else mask
        return float(roc_auc_score(self.kind[mask] != _CLEAN, self.worse[mask]))

    def rows(self, scorer: str, seconds: float) -> list[list[object]]:
        """All damage, each kind against the clean documents, each domain by itself."""
        clean = self.kind == _CLEAN
        parts: list[tuple[str, NDArray[np.bool]]] = [("all damage", np.ones(len(clean), bool))]
        parts += [(k, clean | (self.kind == k)) for k in np.unique(self.kind) if k != _CLEAN]
        parts += [(f"in {d}", self.domain == d) for d in np.unique(self.domain)]
        return [
            [
                scorer,
                what,
                int(mask.sum()),
                int((mask & ~clean).sum()),
                self.auc(mask),
                seconds if not number else "",
            ]
            for number, (what, mask) in enumerate(parts)
        ]


if __name__ == "__main__":
    main()
