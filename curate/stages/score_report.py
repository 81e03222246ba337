"""What a run counted: documents in = scored + without a score, by reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from ..credentials import redacted
from ..places import parquet
from ..tables import ScoreStore
from .measuring import BACKEND_ERROR


@dataclass(frozen=True, kw_only=True)
class Counted:
    """What became of one shard.

    Attributes:
        shard: its name.
        documents, reasons: in its table, all and by reason.
        first: the first row with each reason.
        failed: why it could not be read; None: it could.
    """

    shard: str
    documents: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    first: dict[str, int] = field(default_factory=dict)
    failed: str | None = None

    @classmethod
    def of(cls, store: ScoreStore, shard: str) -> Counted:
        """From the shard's table."""
        reasons: Counter[str] = Counter()
        first: dict[str, int] = {}
        with parquet(store.table_path(shard)) as table:
            row = 0
            for batch in table.iter_batches(columns=["reason"]):
                for one in batch["reason"].value_counts():
                    reason = one["values"].as_py()
                    if reason is not None:
                        reasons[reason] += one["counts"].as_py()
                        if reason not in first:
                            told = batch["reason"].cast(pa.string())
                            first[reason] = row + told.index(reason).as_py()
                row += len(batch)
        return cls(shard=shard, documents=row, reasons=reasons, first=first)


@dataclass
class ScoreReport:
    """Documents in = scored + without a score, by reason.

    Attributes:
        scorer: name of the tables.
        documents: documents in the shards that could be read.
        scored: with a score, or an embedding.
        reasons: how many have none, by reason.
        first: where each reason stands first, "shard row n".
        failed: shards that could not be read, name -> why.
        shards: those that could.
    """

    scorer: str
    documents: int = 0
    scored: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    shards: list[str] = field(default_factory=list)

    def add(self, counted: Counted) -> None:
        """Count one shard."""
        if counted.failed is not None:
            self.failed[counted.shard] = redacted(counted.failed)
            return
        self.shards.append(counted.shard)
        self.documents += counted.documents
        self.scored += counted.documents - counted.reasons.total()
        self.reasons.update(counted.reasons)
        for reason, row in counted.first.items():
            self.first.setdefault(reason, f"{counted.shard} row {row}")

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> ScoreReport:
        """From what `as_dict` gave."""
        return cls(**{**told, "reasons": Counter(told["reasons"])})

    @property
    def n_backend_errors(self) -> int:
        """Documents that the scorer failed on."""
        return sum(n for reason, n in self.reasons.items() if reason.startswith(BACKEND_ERROR))

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**vars(self), "reasons": dict(sorted(self.reasons.items()))}
