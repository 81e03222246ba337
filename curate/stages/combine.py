"""Several raters' score tables in, one rater's out: means, weighted sums, ranks, maxima, blends.

OUT/<name>/     score tables like any scorer's; see `curate.tables`
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scorers import ensemble

from ..errors import ConfigError
from ..files import only_writer, output_directory, write_json
from ..parts import Parts
from ..places import is_remote
from ..progress import Amount, Progress, Reporter, silent
from ..raters import OTHER_RATER
from ..registry import did_you_mean
from ..seeds import lots
from ..tables import REPORT, ScoreStore, check_name
from .agreement import HOW, agreed_grouping, agreed_measure, agreed_reading, check_weights
from .aligned import Aligned, numbers
from .score_report import Counted, ScoreReport

MISSING_RATER = "missing_rater"
"""The reason of documents that some raters have a score for and others do not."""
NO_RATER = "no_rater"
"""The reason of documents that no rater has a score for, where their reasons differ."""


class _Way(NamedTuple):
    how: str
    weights: Sequence[float] | None
    seed: int


def combine(
    raters: Sequence[str | Path],
    out: str | Path,
    *,
    how: str,
    weights: Sequence[float] | None = None,
    name: str = "ensemble",
    seed: int = 0,
    progress: Reporter = silent,
) -> ScoreReport:
    """Make one score of several. See `scorers.ensemble` for what each way computes.

    A document has a score where every rater has one; to blend, where any has. Token counts are
    those of the first rater that counts tokens and has a score for the document. Groups are those
    of the raters that have them.

    Shares of raters (``--rater``) must be of one draw to blend. One may be missing: what falls to
    it has no score and the reason "no_rater".

    Memory: about 32 bytes for each document and rater.

    Args:
        raters: directories of score tables of the same documents.
        out: local directory.
        how: a key of `HOW`. Ranks are turned so that greater is better; scores as they are must
            agree on what they measure, but for a weighted sum: there the weights carry the units,
            and their signs must agree on a direction. A weighted sum is the better in the
            direction in which its raters get better; a rater of which neither end is better
            follows the others.
        weights: of the raters, in their order: needed for a weighted sum, where a negative one
            turns a rater round; for mean-rank at least 0, and all alike where none are given.
        name: of the new tables.
        seed: of the draw between raters that both have a score, where they are blended. With the
            seed of `curate score --rater` a blend of complete tables is the same as one of shares.
        progress: told how far it is; see `curate.progress`.

    Raises:
        ConfigError: tables of different documents, raters or weights that don't go together in
            this way, shares of different draws, or ``out`` holds another combination.
    """
    if how not in HOW:
        raise ConfigError(f"{how!r} is no way to combine raters. {did_you_mean(how, HOW)}")
    check_name(name)
    check_weights(how, weights, raters)
    aligned = Aligned.open(raters)
    measure = agreed_measure(aligned.stores, how, weights)
    config = {
        "scorer": name,
        **measure,
        "reading": agreed_reading(aligned.stores),
        **agreed_grouping(aligned.stores),
    }
    config["config"] = {
        "how": how,
        "seed": seed if HOW[how].blended else None,
        "raters": {str(k): _origin(store) for k, store in enumerate(aligned.stores, 1)},
        **({} if weights is None else {"weights": [float(weight) for weight in weights]}),
    }
    failed = {shard: why for s in aligned.stores for shard, why in s.report["failed"].items()}
    root = output_directory(out) / name
    if _absolute(root) in [_absolute(store.root) for store in aligned.stores]:
        raise ConfigError(f"{root} holds one of the raters. Give another --name or --out.")
    root.mkdir(exist_ok=True)
    with (
        only_writer(root),
        Progress(progress, root, "combine", name, len(aligned.shards)) as heard,
    ):
        report, way = ScoreReport(name, failed=failed), _Way(how, weights, seed)
        _combine(aligned, ScoreStore.create(root, config), way, report, heard)
        write_json(root / REPORT, report.as_dict())
    return report


def _combine(
    aligned: Aligned, store: ScoreStore, way: _Way, report: ScoreReport, progress: Progress
) -> None:
    """Write the tables that are not there yet, and count them all."""
    shards = {name: aligned.stores[0].shard(name) for name in aligned.shards}
    left = [name for name, shard in shards.items() if not store.is_done(shard)]
    for name in aligned.shards:
        if name not in left:
            progress.finish(name, before=True)
    progress.doing("reading the scores")
    values = _values(aligned, way) if left else {}
    progress.doing(None)
    columns = ("row", "domain", "score", "reason", "n_bytes")
    for name, tables in aligned.tables(columns, optional=["group", "n_tokens"], names=left):
        made = _table(values[name], tables)
        Parts(store, shards[name]).finish([made])
        progress.add(Amount.of(made))
        progress.finish(name)
    for name in aligned.shards:
        report.add(Counted.of(store, name))


def _absolute(where: Path) -> str:
    return str(where if is_remote(where) else where.resolve())


def _origin(store: ScoreStore) -> dict[str, Any]:
    keys = ("scorer", "column", "unit", "config")
    return {**{key: store.config[key] for key in keys}, "contents": store.contents()}


def _values(aligned: Aligned, way: _Way) -> dict[str, NDArray[np.float64]]:
    """The combined score of every document, by shard; NaN where there is none."""
    scores, keys = [], []
    for _, tables in aligned.tables(["score"]):
        scores.append(np.stack([numbers(table) for table in tables], axis=1))
        keys.append(tables[0]["key"].to_numpy())
    score = np.concatenate(scores)
    if HOW[way.how].ranked:
        better = [1.0 if store.config["higher_is_better"] else -1.0 for store in aligned.stores]
        score = ensemble.ranks(score * np.array(better))
    weight = None if way.weights is None else np.array(way.weights, np.float64)
    if HOW[way.how].blended:
        value = ensemble.blend(score, lots(way.seed, "rater", np.concatenate(keys)))
    elif way.how == "max-rank":
        value = ensemble.highest(score)
    elif way.how == "weighted-sum" and weight is not None:
        value = ensemble.weighted_sum(score, weight)
    else:
        value = ensemble.mean(score, weight)
    ends = np.cumsum([len(part) for part in scores])
    return dict(zip(aligned.shards, np.split(value, ends[:-1]), strict=True))


def _table(value: NDArray[np.float64], tables: Sequence[pa.Table]) -> pa.Table:
    """The score table of one shard, from those of its raters."""
    first = tables[0]
    reason = np.full(len(value), None, object)
    without = np.flatnonzero(np.isnan(value))
    given = (table["reason"].take(pa.array(without)).to_pylist() for table in tables)
    reason[without] = [_reason(reasons) for reasons in zip(*given, strict=True)]
    columns = {name: first[name] for name in ("row", "key", "domain")}
    grouped = [table["group"] for table in tables if "group" in table.column_names]
    columns |= {"group": grouped[0]} if grouped else {}
    columns["score"] = pa.array(value, mask=np.isnan(value))
    columns["reason"] = pa.array(reason, pa.string()).dictionary_encode()
    columns["n_bytes"] = first["n_bytes"]
    counting = [table for table in tables if "n_tokens" in table.column_names]
    if counting:
        tokens = [np.asarray(table["n_tokens"].fill_null(0)) for table in counting]
        scored = [table["score"].is_valid().to_numpy() for table in counting]
        columns["n_tokens"] = pa.array(np.select(scored, tokens, default=tokens[0]))
    return pa.table(columns)


def _reason(given: Sequence[str | None]) -> str:
    """Why a document has no combined score, from the raters' reasons; None: one has a score."""
    told = {reason for reason in given if reason != OTHER_RATER}
    if None in told:
        return MISSING_RATER
    common = told.pop() if len(told) == 1 else None
    return common or NO_RATER
