"""Build the dataset: a selection and a mixture in, shuffled shards of text and a manifest out.

    OUT/data/<split>-00000-of-00004.parquet   (or .jsonl.zst) shards of even size
    OUT/manifest.json                         what went in, what came out, counts that add up

This is the only stage that writes text.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash
from numpy.typing import NDArray

from samplers import Take, permanent_random

from ..corpus import Corpus
from ..errors import ConfigError
from ..files import local_directory, only_writer, read_json, versions, write_json
from ..tables import REPORT, ScoreStore
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
        if min(self.mixture.values(), default=-1.0) < 0 or abs(total - 1) > 1e-6:
            raise ConfigError(
                f"The shares of a mixture must be >= 0 and sum to 1, not {total:.6g}."
            )


@dataclass
class _Copies:
    """Documents of the dataset as arrays, one entry a copy, in the order of shards and rows."""

    shard: list[NDArray[np.int64]] = field(default_factory=list)
    row: list[NDArray[np.int64]] = field(default_factory=list)
    key: list[NDArray[np.uint64]] = field(default_factory=list)
    epoch: list[NDArray[np.int64]] = field(default_factory=list)

    def ranks(self, seed: int) -> NDArray[np.int64]:
        """The place of each copy after the shuffle."""
        epoch, key = np.concatenate(self.epoch), np.concatenate(self.key)
        u = np.empty(len(key))
        for e in np.unique(epoch):
            u[epoch == e] = permanent_random(seed + int(e) * 7919, key[epoch == e])
        shuffled = np.lexsort((np.concatenate(self.row), np.concatenate(self.shard), u))
        ranks = np.empty(len(key), np.int64)
        ranks[shuffled] = np.arange(len(key))
        return ranks


def build(
    corpus: Corpus,
    selection: str | Path,
    out: str | Path,
    request: BuildRequest,
    *,
    scores: Sequence[str | Path] = (),
) -> dict[str, Any]:
    """Write the dataset.

    A domain whose share asks for more tokens than were kept is repeated whole, then in part; the
    documents of a partial epoch are drawn at random, so that each epoch looks like its domain.

    Args:
        corpus: the shards that were selected from.
        selection: directory of a selection.
        out: local directory.
        request: mixture, size and form.
        scores: directories of scorers; their scores become columns ``<scorer>``.

    Returns:
        The manifest.

    Raises:
        ConfigError: the mixture names a domain of which nothing was kept, or ``out`` holds
            another dataset.
    """
    chosen = Selection(Path(selection))
    stores = [ScoreStore.open(path) for path in scores]
    target = local_directory(out)
    inputs = {
        "request": vars(request),
        "selection": chosen.manifest,
        "scores": {store.scorer: store.contents() for store in stores},
    }
    with only_writer(target):
        if (target / MANIFEST).exists():
            manifest: dict[str, Any] = read_json(target / MANIFEST)
            if manifest["inputs"] == inputs:
                return manifest
            raise ConfigError(
                f"{out} holds another dataset. Give another directory, or delete this one."
            )
        made = _Build(corpus, chosen, request, stores, target).run()
        manifest = {
            "inputs": inputs,
            "versions": versions(),
            "shards_read": {shard.name: shard.fingerprint for shard in corpus.shards},
            "scorers": {s.scorer: {**s.config, "report": _report(s)} for s in stores},
            **made,
        }
        write_json(target / MANIFEST, manifest)
    return manifest


def _report(store: ScoreStore) -> Any:
    return read_json(store.root / REPORT)


class _Build:
    def __init__(
        self,
        corpus: Corpus,
        selection: Selection,
        request: BuildRequest,
        stores: list[ScoreStore],
        out: Path,
    ) -> None:
        self.corpus, self.selection, self.request = corpus, selection, request
        self.stores, self.out = stores, out
        self.domains: dict[str, dict[str, float]] = {}

    def run(self) -> dict[str, Any]:
        """Decide, read, shuffle, write."""
        epochs, cutoffs = self._allocate()
        copies = self._decide(epochs, cutoffs)
        if not copies.row or not sum(len(r) for r in copies.row):
            raise ConfigError(
                f"{self.request.tokens} tokens are fewer than any document has. Ask for more."
            )
        ranks = copies.ranks(self.request.seed)
        shutil.rmtree(self.out / "data", ignore_errors=True)
        with Spool(self.out / ".spool", len(ranks), self.request.shards) as spool:
            self._read(spool, copies, ranks, epochs)
            files = spool.write(self.out / "data", self.request.format)
        listed = [
            {"name": f.name, "rows": n, "xxh3": xxhash.xxh3_128_hexdigest(f.read_bytes())}
            for f, n in files
        ]
        return {"domains": self._counts(), "documents": len(ranks), "files": listed}

    def _allocate(self) -> tuple[dict[str, float], dict[str, Any]]:
        """Epochs of each domain, and which documents fill the last, partial one."""
        manifest, mixture = self.selection.manifest, self.request.mixture
        if not manifest["counts_tokens"]:
            raise ConfigError(
                f"{self.selection.root} counts no tokens. Select again with --sizes-from."
            )
        epochs: dict[str, float] = {}
        for domain, share in mixture.items():
            available = manifest["domains"].get(domain, {}).get("tokens_kept", 0)
            if share > 0 and not available:
                raise ConfigError(
                    f"The mixture gives {share:.1%} to {domain!r}, of which nothing was kept. "
                    f"Kept: {', '.join(self.selection.domains)}."
                )
            epochs[domain] = share * self.request.tokens / available if available else 0.0
            kept = manifest["domains"].get(domain, {}).get("kept", 0)
            self.domains[domain] = {"share": share, "epochs": epochs[domain], "kept": kept}
        takes = {
            d: Take(e % 1 * manifest["domains"][d]["tokens_kept"])
            for d, e in epochs.items()
            if e % 1 > 0
        }
        for shard in self.corpus.shards:
            table = self.selection.table(shard.name)
            u, names = self._lots(table), _domains(table)
            for domain, take in takes.items():
                mine = names == domain
                cost = table["n_tokens"].to_numpy()[mine].astype(np.float64)
                take.add(u[mine], table["key"].to_numpy()[mine], cost)
        return epochs, {domain: take.cutoff() for domain, take in takes.items()}

    def _lots(self, table: pa.Table) -> NDArray[np.float64]:
        return permanent_random(self.request.seed + 1, table["key"].to_numpy())

    def _decide(self, epochs: dict[str, float], cutoffs: dict[str, Any]) -> _Copies:
        """Every copy of every document, and the counts of each domain."""
        copies = _Copies()
        for number, shard in enumerate(self.corpus.shards):
            table = self.selection.table(shard.name)
            u, names = self._lots(table), _domains(table)
            key, tokens = table["key"].to_numpy(), table["n_tokens"].to_numpy()
            n = np.zeros(len(table), np.int64)
            for domain, amount in epochs.items():
                mine = names == domain
                n[mine] = int(amount)
                if domain in cutoffs:
                    n[mine] += cutoffs[domain].taken(u[mine], key[mine])
                count = self.domains[domain]
                for what, value in (
                    ("documents", np.count_nonzero(n[mine])),
                    ("copies", n[mine].sum()),
                    ("tokens", (n[mine] * tokens[mine]).sum()),
                ):
                    count[what] = count.get(what, 0) + int(value)
            starts = np.repeat(np.cumsum(n) - n, n)
            copies.shard.append(np.full(n.sum(), number))
            copies.row.append(np.repeat(table["row"].to_numpy(), n))
            copies.key.append(np.repeat(key, n))
            copies.epoch.append(np.arange(n.sum()) - starts)
        return copies

    def _read(
        self, spool: Spool, copies: _Copies, ranks: NDArray[np.int64], epochs: dict[str, float]
    ) -> None:
        """Put every copy's text and columns where the shuffle wants it."""
        place = {shard.name: i for i, shard in enumerate(self.corpus.shards)}
        ends = np.cumsum([len(rows) for rows in copies.row])
        extra: dict[str, pa.Table] = {}
        last = ""
        for shard, batch in self.selection.texts(self.corpus):
            number = place[shard.name]
            if shard.name != last:
                table, last = self.selection.table(shard.name), shard.name
                inclusion = dict(
                    zip(table["row"].to_numpy(), table["inclusion"].to_numpy(), strict=True)
                )
                extra = {s.scorer: _scores(s, shard.name) for s in self.stores}
            rows, epoch = copies.row[number], copies.epoch[number]
            mine = ranks[ends[number] - len(rows) : ends[number]]
            for i, row in enumerate(batch.rows):
                first, stop = np.searchsorted(rows, [row, row + 1])
                for at in range(first, stop):
                    domain = batch.domains[i]
                    spool.add(
                        int(mine[at]),
                        {
                            "id": batch.ids[i],
                            "text": batch.texts[i],
                            "domain": domain,
                            "shard": shard.name,
                            "row": int(row),
                            "key": int(batch.keys[i]),
                            "epoch": int(epoch[at]),
                            "inclusion": float(inclusion[row] * min(1.0, epochs[domain])),
                            **{name: scores[int(row)] for name, scores in extra.items()},
                        },
                    )

    def _counts(self) -> dict[str, Any]:
        """Documents in = without a score + not selected + not needed + used, by domain."""
        total = sum(count.get("tokens", 0) for count in self.domains.values())
        out = {}
        for name, was in self.selection.manifest["domains"].items():
            made = self.domains.get(name, {})
            used = int(made.get("documents", 0))
            out[name] = {
                "documents_in": was["documents"],
                "without_score": was["without_score"],
                "not_selected": was["documents"] - was["without_score"] - was["kept"],
                "not_needed": was["kept"] - used,
                "used": used,
                "copies": int(made.get("copies", 0)),
                "tokens": int(made.get("tokens", 0)),
                "epochs": made.get("epochs", 0.0),
                "share_wanted": made.get("share", 0.0),
                "share": made.get("tokens", 0) / total if total else 0.0,
            }
        return out


def _domains(table: pa.Table) -> NDArray[np.object_]:
    return np.array(table["domain"].cast(pa.string()).to_pylist(), dtype=object)


def _scores(store: ScoreStore, shard: str) -> list[float | None]:
    path = store.table_path(shard)
    if not path.exists():
        raise ConfigError(f"{store.root} has no table of shard {shard}. Score it there too.")
    return list(pq.read_table(path, columns=["score"], partitioning=None)["score"].to_pylist())
