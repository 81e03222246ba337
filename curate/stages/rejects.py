"""What came out without a score, and why: by reason, by shard, and the shards never read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigError
from ..tables import CONFIG, REPORT, ScoreStore
from .score_report import Counted


@dataclass(frozen=True)
class Rejects:
    """What score or embedding tables hold no number for.

    Attributes:
        name: of the tables.
        n_documents: in the shards that have a table.
        reasons: how many documents each one has, the most frequent first.
        places: (shard, first row, reason, documents), by shard and row.
        failed: shards that could not be read, name -> why.
        is_finished: whether the run came to its end; if not, shards that failed are not known.
    """

    name: str
    n_documents: int
    reasons: dict[str, int]
    places: list[tuple[str, int, str, int]]
    failed: dict[str, str]
    is_finished: bool


def rejects(directory: Path) -> list[Rejects]:
    """Of the tables in a directory, or of each directory of tables below it.

    Raises:
        ConfigError: no tables there.
    """
    here = [directory] if (directory / CONFIG).exists() else _below(directory)
    found = [_of(ScoreStore.open(root, measured=None)) for root in here]
    if not found:
        raise ConfigError(
            f"{directory}: no tables there. Name a directory that `curate score` or `curate embed` "
            f"wrote to."
        )
    return found


def _below(directory: Path) -> Sequence[Path]:
    there = sorted(directory.glob(f"*/{CONFIG}"))
    return [path.parent for path in there if not (path.parent / "runs").is_dir()]


def _of(store: ScoreStore) -> Rejects:
    is_finished = (store.root / REPORT).exists()
    counts = [Counted.of(store, name) for name in store.shard_names()]
    reasons = sum((counted.reasons for counted in counts), Counter[str]())
    places = [
        (counted.shard, row, reason, counted.reasons[reason])
        for counted in counts
        for reason, row in sorted(counted.first.items(), key=lambda pair: pair[1])
    ]
    return Rejects(
        name=store.name,
        n_documents=sum(counted.documents for counted in counts),
        reasons=dict(sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0]))),
        places=places,
        failed=dict(sorted(store.report["failed"].items())) if is_finished else {},
        is_finished=is_finished,
    )
