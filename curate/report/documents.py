"""Documents to read: at percentiles of each scorer, and where two scorers disagree most."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..corpus import FORMATS, Corpus, Shard
from ..errors import CorpusError, CurateError
from ..readers import read
from .blocks import Block, Documents, Note, Section
from .population import FloatArray, Sample, Tables

PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
_AT_EACH, _OF_A_PAIR = 3, 5
_MOST_PAIRS = 15
_SHOWN = 1500
"""Characters of a text that are shown: its begin and its end."""
_CHUNK = 1024


@dataclass(frozen=True)
class Choice:
    """Documents that were chosen for one reason.

    Attributes:
        why: the reason, in words.
        at: int64[n], places in the sample.
    """

    why: str
    at: NDArray[np.int64]


def section(
    sample: Sample,
    rank: FloatArray,
    better: Sequence[bool | None],
    tables: Tables,
    corpus: Corpus | None,
) -> Section:
    """Texts beside where they stand by every scorer.

    Args:
        sample: the documents.
        rank: as `ranks` gives them.
        better: of each scorer, whether a higher score is better.
        tables: what the documents are of.
        corpus: the shards; None: no texts are shown.
    """
    chosen = [*at_percentiles(sample, rank), *disagreements(sample, rank)]
    every = np.unique(np.concatenate([np.empty(0, np.int64), *(one.at for one in chosen)]))
    texts, notes = ({}, [_NO_TEXTS]) if corpus is None else _texts(sample, every, tables, corpus)
    entries = [
        {"why": one.why, **_entry(sample, rank, int(i), texts.get(int(i)))}
        for one in chosen
        for i in one.at
    ]
    turned = [n for n, b in zip(sample.names, better, strict=True) if b is False]
    directionless = [n for n, b in zip(sample.names, better, strict=True) if b is None]
    caption = (
        f"{sample.said} A percentile is the share of documents that a document beats: 99 is the "
        f"better end" + (f", which is the lower score of {', '.join(turned)}" if turned else "")
        + (f"; of {', '.join(directionless)} the higher score" if directionless else "")
        + "."
    )  # fmt: skip
    blocks: list[Block] = [
        *notes,
        Documents(
            title="Documents at percentiles, and disagreements",
            rankings=sample.names,
            entries=entries,
            caption=caption,
        ),
    ]
    lead = (
        "Read some: what does each scorer put at the top, what at the bottom, and where do two of "
        "them see the same text differently?"
    )
    return Section(name="documents", title="Documents", lead=lead, blocks=blocks)


def at_percentiles(sample: Sample, rank: FloatArray) -> Iterator[Choice]:
    """The documents nearest to each percentile of each scorer; each document once for a scorer."""
    for column, name in enumerate(sample.names):
        order = _in_order(rank[:, column])
        used: set[int] = set()
        for percentile in PERCENTILES:
            nearest = np.argsort(np.abs(rank[order, column] - percentile), kind="stable")
            fresh = [int(i) for i in order[nearest[: 8 * _AT_EACH]] if int(i) not in used]
            used.update(fresh[:_AT_EACH])
            if fresh:
                why = f"{name}: percentile {percentile}"
                yield Choice(why, np.array(fresh[:_AT_EACH], np.int64))


def disagreements(sample: Sample, rank: FloatArray) -> Iterator[Choice]:
    """The documents that one scorer ranks highest above another, for the pairs most at odds."""
    spread = {
        (i, j): float(np.nanmean(np.abs(rank[:, i] - rank[:, j])))
        for i, j in combinations(range(len(sample.names)), 2)
        if (~np.isnan(rank[:, i] - rank[:, j])).any()
    }
    for i, j in sorted(spread, key=lambda pair: -spread[pair])[:_MOST_PAIRS]:
        for high, low in ((i, j), (j, i)):
            above = rank[:, high] - rank[:, low]
            known = np.flatnonzero(above > 0)
            order = known[np.argsort(-above[known], kind="stable")][:_OF_A_PAIR]
            if len(order):
                yield Choice(f"{sample.names[high]} high, {sample.names[low]} low", order)


def _in_order(rank: FloatArray) -> NDArray[np.int64]:
    known = np.flatnonzero(~np.isnan(rank))
    return np.asarray(known[np.argsort(rank[known], kind="stable")], np.int64)


def _entry(sample: Sample, rank: FloatArray, at: int, text: str | None) -> dict[str, Any]:
    kept = sample.kept
    return {
        "domain": str(sample.domain[at]),
        "where": f"{sample.shard[at]} row {sample.row[at]}",
        "bytes": int(sample.n_bytes[at]),
        "kept": None if kept is None else bool(kept[at]),
        "scores": [_number(v, 4) for v in sample.score[at]],
        "percentiles": [_number(v, 3) for v in rank[at]],
        "text": text,
    }


def _number(value: float, digits: int) -> float | None:
    return None if np.isnan(value) else float(f"{value:.{digits}g}")


def _texts(
    sample: Sample, every: NDArray[np.int64], tables: Tables, corpus: Corpus
) -> tuple[dict[int, str], list[Note]]:
    """Texts by place in the sample, and what is to be said where some are missing."""
    found: dict[int, str] = {}
    missing: list[str] = []
    try:
        shards = {shard.name: shard for shard in corpus.shards}
    except CurateError as error:
        return {}, [Note(f"The corpus cannot be read: {error}", "warning")]
    for name in sorted({str(sample.shard[i]) for i in every}):
        here = [int(i) for i in every if sample.shard[i] == name]
        if name not in shards or not tables.holds(shards[name]):
            missing.append(f"{name} ({'changed' if name in shards else 'not there'})")
            continue
        try:
            found.update(_of_shard(sample, here, shards[name], corpus))
        except CurateError as error:
            missing.append(f"{name} ({error})")
    if not missing:
        return found, []
    some = "; ".join(missing[:3]) + (f"; and {len(missing) - 3} more" if len(missing) > 3 else "")
    return found, [Note(f"Texts of these shards are not there to be shown: {some}.", "warning")]


def _of_shard(sample: Sample, here: list[int], shard: Shard, corpus: Corpus) -> dict[int, str]:
    """Texts of some documents of one shard, of which no more is read than must be."""
    found: dict[int, str] = {}
    chunks = sorted({int(sample.row[i]) // _CHUNK for i in here})
    ranges = [(chunk, 1) for chunk in chunks]
    if FORMATS[shard.suffix] == "jsonl":  # has no places to begin at
        ranges = [(chunks[0], chunks[-1] - chunks[0] + 1)]
    for first, n_chunks in ranges:
        for batch in read(shard, corpus, _CHUNK, first, n_chunks):
            for i in here:
                local = int(sample.row[i]) - int(batch.rows[0])
                if 0 <= local < len(batch) and batch.keys[local] == sample.key[i]:
                    found[i] = shown(batch.texts[local])
    if len(found) < len(here):
        raise CorpusError("it holds other documents than were scored")
    return found


def shown(text: str) -> str:
    """A text as far as it is shown, with control characters made visible."""
    if len(text) > _SHOWN + 100:
        half = _SHOWN // 2
        left_out = len(text) - 2 * half
        text = f"{text[:half]}\n[… {left_out:,} characters left out …]\n{text[-half:]}"
    return text.translate(_VISIBLE)


_VISIBLE = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"} | {0x7F: 0x2421}
_NO_TEXTS = Note(
    "No texts: give --corpus, what was scored, to have them here.", "warning"
)  # fmt: skip
