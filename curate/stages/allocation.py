"""How often each selected document is in the dataset: whole epochs of its domain, and a part."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..errors import ConfigError
from ..seeds import lots
from .selection import Selection


@dataclass(frozen=True)
class Copies:
    """What one shard gives to the dataset: arrays with one entry a copy, by row and epoch.

    Attributes:
        row, key, epoch: of each copy.
        inclusion: how likely its document was to be in the dataset at all.
    """

    row: NDArray[np.int64]
    key: NDArray[np.uint64]
    epoch: NDArray[np.int64]
    inclusion: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.row)


class Allocation:
    """Turns shares and a number of tokens into copies of documents.

    A domain whose share asks for more tokens than were kept is repeated whole, then in part. The
    part takes documents in a random order, so that every epoch looks like its domain, up to the
    document that brings its tokens nearest to what was asked for. The inclusion probability of a
    document is its selection's times the part (at most 1): exact but for that rounding.

    Args:
        selection: what was kept.
        shards: names of the shards, in their order.
        mixture: share of each domain.
        tokens: size of the dataset.
        seed: of the draw and of the shuffle.

    Raises:
        ConfigError: tokens were not counted, a domain of which nothing was kept, or no document
            fits.
    """

    def __init__(
        self,
        selection: Selection,
        shards: list[str],
        mixture: dict[str, float],
        tokens: int,
        seed: int,
    ) -> None:
        if not selection.manifest["counts_tokens"]:
            raise ConfigError(f"{selection.root} counts no tokens. Select again with --sizes-from.")
        self._selection, self._mixture, self._seed = selection, mixture, seed
        kept = {name: c["tokens_kept"] for name, c in selection.manifest["domains"].items()}
        nothing = [d for d, share in mixture.items() if share > 0 and not kept.get(d)]
        if nothing:
            raise ConfigError(
                f"The mixture gives {mixture[nothing[0]]:.1%} to {nothing[0]!r}, of which nothing "
                f"was kept. Kept: {', '.join(selection.domains)}."
            )
        self.epochs = {d: mixture.get(d, 0.0) * tokens / kept[d] for d in kept if kept[d]}
        self._shards = shards
        self._last_lot = self._draw({d: e % 1 * kept[d] for d, e in self.epochs.items()})
        self.counts: dict[str, Counter[str]] = {domain: Counter() for domain in kept}
        self.copies = {shard: self._copies(shard) for shard in shards}
        if not self.n_copies:
            raise ConfigError(f"No document fits into {tokens} tokens. Ask for more.")

    @property
    def n_copies(self) -> int:
        """Rows of the dataset."""
        return sum(map(len, self.copies.values()))

    def ranks(self) -> dict[str, NDArray[np.int64]]:
        """The place of each copy after the shuffle, shard by shard."""
        every = list(self.copies.values())
        key, epoch = (
            np.concatenate([getattr(c, name) for c in every]) for name in ("key", "epoch")
        )
        u = np.empty(len(key))
        for e in np.unique(epoch):
            u[epoch == e] = lots(self._seed, f"shuffle of epoch {e}", key[epoch == e])
        ranks = np.empty(len(key), np.int64)
        ranks[np.argsort(u, kind="stable")] = np.arange(len(key))
        ends = np.cumsum([len(c) for c in every])
        return dict(zip(self.copies, np.split(ranks, ends[:-1]), strict=True))

    def _draw(self, parts: dict[str, float]) -> dict[str, float]:
        """The lot up to which documents are in the last, partial epoch of each domain."""
        drawn: dict[str, list[NDArray[np.float64]]] = {domain: [] for domain in parts}
        costs: dict[str, list[NDArray[np.float64]]] = {domain: [] for domain in parts}
        for shard in self._shards:
            table = self._selection.table(shard)
            for domain, mine in _by_domain(table):
                if domain in parts:
                    drawn[domain].append(self._lots(table)[mine])
                    costs[domain].append(table["n_tokens"].to_numpy()[mine].astype(np.float64))
        last = {}
        for domain, wanted in parts.items():
            lot, cost = np.concatenate(drawn[domain]), np.concatenate(costs[domain])
            order = np.argsort(lot, kind="stable")
            spent = np.concatenate([[0.0], np.cumsum(cost[order])])
            n = int(np.argmin(np.abs(spent - wanted)))
            last[domain] = float(lot[order[n - 1]]) if n else 0.0
        return last

    def _lots(self, table: pa.Table) -> NDArray[np.float64]:
        return lots(self._seed, "part of an epoch", table["key"].to_numpy())

    def _copies(self, shard: str) -> Copies:
        """The copies of one shard, counted by domain."""
        table = self._selection.table(shard)
        lot, key = self._lots(table), table["key"].to_numpy()
        tokens, inclusion = table["n_tokens"].to_numpy(), table["inclusion"].to_numpy().copy()
        n = np.zeros(len(table), np.int64)
        for domain, mine in _by_domain(table):
            epochs = self.epochs.get(domain, 0.0)
            n[mine] = int(epochs) + (lot[mine] <= self._last_lot.get(domain, 0.0))
            inclusion[mine] *= min(1.0, epochs)
            self.counts[domain] += Counter(
                used=int(np.count_nonzero(n[mine])),
                copies=int(n[mine].sum()),
                tokens=int((n[mine] * tokens[mine]).sum()),
            )
        first = np.repeat(np.cumsum(n) - n, n)
        row, key, inclusion = (np.repeat(a, n) for a in (table["row"].to_numpy(), key, inclusion))
        return Copies(row=row, key=key, epoch=np.arange(len(row)) - first, inclusion=inclusion)

    def summary(self) -> dict[str, dict[str, Any]]:
        """Documents in = without a score + not selected + not needed + used, by domain."""
        total = sum(count["tokens"] for count in self.counts.values())
        out = {}
        for name, was in self._selection.manifest["domains"].items():
            made = self.counts[name]
            out[name] = {
                "documents_in": was["documents"],
                "without_score": was["without_score"],
                "not_selected": was["documents"] - was["without_score"] - was["kept"],
                "not_needed": was["kept"] - made["used"],
                "used": made["used"],
                "copies": made["copies"],
                "tokens": made["tokens"],
                "epochs": self.epochs.get(name, 0.0),
                "share_wanted": self._mixture.get(name, 0.0),
                "share": made["tokens"] / total,
            }
        return out


def _by_domain(table: pa.Table) -> list[tuple[str, NDArray[np.bool]]]:
    names = np.array(table["domain"].cast(pa.string()).to_pylist(), dtype=object)
    return [(name, names == name) for name in sorted(set(names))]
