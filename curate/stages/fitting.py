"""The pass over a corpus that some scorers and embedders need before they measure anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol

from ..corpus import Shard
from ..engines import Engine
from ..errors import ShardError
from ..progress import Phase, Progress
from .score_report import Counted, ScoreReport
from .sources import FAULTS, Chunk, Source, corpus_fault, fault
from .tabulate import nothing_readable, stop_at


class Fittable(Protocol):
    """A scorer or an embedder that must see everything once.

    Where it has ``unite(states)``, which makes one state of several, states are united near to
    where they arise.
    """

    @property
    def name(self) -> str:
        """As messages call it."""
        ...

    def fit(self, batches: Iterator[Any]) -> Any:
        """One shard, reduced to a state."""
        ...

    def merge(self, states: Sequence[Any]) -> Any:
        """Unite the states, in any order."""
        ...


@dataclass(frozen=True)
class _Shares:
    """What some shards left behind."""

    states: list[Any]
    shards: list[Shard]
    failed: list[Counted]


@dataclass(frozen=True)
class _Fit(Generic[Chunk]):
    """The work of one shard."""

    fittable: Fittable
    source: Source[Chunk]
    content: Callable[[Chunk], Any]
    phase: Phase

    def __call__(self, shard: Shard) -> _Shares:
        try:
            _ = shard.fingerprint  # it travels with the shard, and is told of what was fitted on
            state = fit_share(self.fittable, self.source, [shard], self.content, self.phase)
        except ShardError as error:
            return _Shares([], [], [Counted(shard=shard.name, failed=str(error))])
        return _Shares([state], [shard], [])

    def united(self, shares: list[_Shares]) -> _Shares:
        """Several as one; one state, where the fittable can do that."""
        states = [state for share in shares for state in share.states]
        unite = getattr(self.fittable, "unite", None)
        if unite is not None and len(states) > 1:
            states = [unite(states)]
        return _Shares(
            states,
            [shard for share in shares for shard in share.shards],
            [failed for share in shares for failed in share.failed],
        )


def fit(
    fittable: Fittable,
    source: Source[Chunk],
    shards: Sequence[Shard],
    content: Callable[[Chunk], Any],
    report: ScoreReport,
    progress: Progress,
    engine: Engine,
    on_error: str,
) -> tuple[Any, list[Shard]]:
    """What came of the fit, and the shards that could be read to their end.

    Args:
        fittable: sees one share a shard.
        source: of the chunks.
        shards: to read.
        content: what the fittable is shown of a chunk.
        report: told which shards failed.
        progress: told how far the fit is.
        engine: does the work.
        on_error: "skip" shards that cannot be read, or "fail".

    Raises:
        BackendError: the fit failed; says on which shard and rows.
        CorpusError: no shard could be read, or all of them together are not enough.
        ShardError: a shard could not be read, where that is to stop the run.
    """
    phase = Phase(progress, "fitting", len(shards))
    work, found = _Fit(fittable, source, content, phase), _Shares([], [], [])
    for share in engine.merged(work, shards, work.united):
        found = work.united([found, share])
        phase.see(units=len(share.shards) + len(share.failed))
        for failed in share.failed:
            stop_at(failed, on_error)
    progress.doing(None)
    for failed in found.failed:
        report.add(failed)
        progress.finish(failed.shard, before=True)
    if not found.shards:
        raise nothing_readable(report)
    with corpus_fault(fittable.name):
        return fittable.merge(found.states), sorted(found.shards, key=lambda shard: shard.name)


def fit_share(
    fittable: Fittable,
    source: Source[Chunk],
    shards: Sequence[Shard],
    content: Callable[[Chunk], Any],
    phase: Phase,
) -> Any:
    """The state that a share of the corpus, at least one shard, leaves behind. See `fit`."""
    at: tuple[Shard, Chunk | None] = (shards[0], None)

    def contents() -> Iterator[Any]:
        nonlocal at
        for shard in shards:
            for chunk in source.read(shard):
                at = shard, chunk
                yield content(chunk)
                phase.see(len(chunk))

    try:
        return fittable.fit(contents())
    except FAULTS as error:
        raise fault(fittable.name, *at, error) from error
