"""Build the dataset: a selection and a mixture in, shuffled shards of text and a manifest out.

    OUT/data/<split>-00000-of-00004.parquet   (or .jsonl.zst) shards of even size
    OUT/manifest.json                         what went in, what came out, counts that add up

This is the only stage that writes text.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import xxhash

from ..corpus import Corpus
from ..errors import ConfigError
from ..files import (
    local_directory,
    only_writer,
    read_json,
    refuse_another,
    versions,
    write_json,
)
from ..tables import REPORT, ScoreStore, check_name
from .allocation import Allocation
from .selection import Selection
from .spool import Spool

MANIFEST = "manifest.json"
FORMATS = ("parquet", "jsonl.zst")


@dataclass(frozen=True, kw_only=True)
class BuildRequest:
    """What dataset is wanted.

    Attributes:
        mixture: share of each domain, summing to one.
        tokens: size of the dataset.
        shards: number of files.
        format: "parquet" or "jsonl.zst".
        seed: of the shuffle, and of which documents fill a last, partial epoch.
    """

    mixture: dict[str, float]
    tokens: int
    shards: int = 4
    format: str = "parquet"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise ConfigError(f"'format' must be one of {FORMATS}. Got {self.format!r}.")
        if self.tokens < 1 or self.shards < 1:
            raise ConfigError(
                f"'tokens' and 'shards' must be at least 1. Got {self.tokens} and {self.shards}."
            )
        total = sum(self.mixture.values())
        if not min(self.mixture.values(), default=-1.0) >= 0 or not abs(total - 1) <= 1e-6:
            raise ConfigError(
                f"The shares of a mixture must be >= 0 and sum to 1, not {total:.6g}."
            )


def build(
    corpus: Corpus,
    selection: str | Path,
    out: str | Path,
    request: BuildRequest,
    *,
    scores: Sequence[str | Path] = (),
) -> dict[str, Any]:
    """Write the dataset.

    How often a document comes is decided by `Allocation`; where it stands, by a shuffle with the
    permanent random numbers of its key and epoch.

    Args:
        corpus: the shards that were selected from.
        selection: directory of a selection.
        out: local directory.
        request: mixture, size and form.
        scores: directories of score tables; each becomes a column with the name of its directory.

    Returns:
        The manifest.

    Raises:
        ConfigError: the mixture names a domain of which nothing was kept, two score tables have
            one name or that of a column every dataset has, or ``out`` holds another dataset.
    """
    chosen = Selection(Path(selection))
    stores = [ScoreStore.open(path) for path in scores]
    _check_columns(stores)
    target = local_directory(out)
    inputs = {
        "request": vars(request),
        "selection": chosen.manifest,
        "scores": {store.name: store.contents() for store in stores},
    }
    with only_writer(target):
        if (target / MANIFEST).exists():
            manifest: dict[str, Any] = read_json(target / MANIFEST)
            refuse_another(target, manifest["inputs"], inputs)
            return manifest
        allocation = Allocation(
            chosen,
            [shard.name for shard in chosen.shards(corpus)],
            request.mixture,
            request.tokens,
            request.seed,
        )
        shutil.rmtree(target / "data", ignore_errors=True)
        with Spool(target / ".spool", allocation.n_copies, request.shards) as spool:
            _read(spool, corpus, chosen, allocation, stores)
            files = spool.write(target / "data", request.format)
        manifest = {
            "inputs": inputs,
            "versions": versions(),
            "shards_read": {shard.name: shard.fingerprint for shard in chosen.shards(corpus)},
            "scorers": {s.name: {**s.config, "report": _report(s)} for s in stores},
            "domains": allocation.summary(),
            "documents": allocation.n_copies,
            "files": [
                {"name": path.name, "rows": n, "xxh3": xxhash.xxh3_128_hexdigest(path.read_bytes())}
                for path, n in files
            ],
        }
        write_json(target / MANIFEST, manifest)
    return manifest


def _check_columns(stores: Sequence[ScoreStore]) -> None:
    """Each store has a column to itself; a directory may have another name since it was scored."""
    holders: dict[str, ScoreStore] = {}
    for store in stores:
        try:
            check_name(store.name)
        except ConfigError as error:
            raise ConfigError(f"{store.root}: {error}") from error
        other = holders.setdefault(store.name, store)
        if other is not store:
            raise ConfigError(
                f"{other.root} and {store.root} would both be the column {store.name!r} of the "
                f"dataset. Give one of them another --name."
            )


def _report(store: ScoreStore) -> Any:
    return read_json(store.root / REPORT)


def _read(
    spool: Spool,
    corpus: Corpus,
    selection: Selection,
    allocation: Allocation,
    stores: Sequence[ScoreStore],
) -> None:
    """Put every copy's text and columns where the shuffle wants it."""
    ranks = allocation.ranks()
    for shard, batches in groupby(selection.texts(corpus), key=lambda pair: pair[0]):
        copies, places = allocation.copies[shard.name], ranks[shard.name]
        scores = {store.name: _scores(store, shard.name) for store in stores}
        for _, batch in batches:
            firsts = np.searchsorted(copies.row, batch.rows)
            stops = np.searchsorted(copies.row, batch.rows, side="right")
            for i, row in enumerate(batch.rows.tolist()):
                document = {
                    "id": batch.ids[i],
                    "text": batch.texts[i],
                    "domain": batch.domains[i],
                    "shard": shard.name,
                    "row": row,
                    "key": int(batch.keys[i]),
                }
                own = {name: values[row] for name, values in scores.items()}
                for at in range(firsts[i], stops[i]):
                    drawn = {
                        "epoch": int(copies.epoch[at]),
                        "inclusion": float(copies.inclusion[at]),
                    }
                    spool.add(int(places[at]), {**document, **drawn, **own})


def _scores(store: ScoreStore, shard: str) -> list[float | None]:
    path = store.table_path(shard)
    if not path.exists():
        raise ConfigError(f"{store.root} has no table of shard {shard}. Score it there too.")
    return list(pq.read_table(path, columns=["score"], partitioning=None)["score"].to_pylist())
