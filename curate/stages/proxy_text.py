"""The text proxies are trained and judged on, as token ids on disk.

    tokens/kept-000.npy         what was kept of the first domain
    tokens/before-000.npy       the same domain as it came
    tokens/validation-000.npy   kept documents that no proxy is trained on
    tokens/_tokens.json         how many of each

Which documents are held out is a function of their key alone, so that filtered and unfiltered runs
hold out the same ones. Every file is in the order of random lots, and no longer than runs need.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorers.tokenizer import Tokenizer

from ..corpus import Corpus
from ..errors import ConfigError
from ..files import whole, write_json
from ..seeds import lots
from .selection import Selection

KEPT, BEFORE, VALIDATION = "kept", "before", "validation"
_FEWEST_DOCUMENTS = 50
_MOST_VALIDATION, _LEAST_VALIDATION = 20_000, 500

Tokens = NDArray[np.integer[Any]]
_Pieces = dict[str, list[tuple[float, list[int]]]]


def load_tokens(root: Path, what: str, n_domains: int) -> list[Tokens]:
    """Token ids of each domain."""
    paths = (root / "tokens" / f"{what}-{number:03d}.npy" for number in range(n_domains))
    return [np.asarray(np.load(path, mmap_mode="r")) for path in paths]


def write_tokens(
    root: Path,
    chosen: Selection,
    corpus: Corpus,
    tokenizer: Tokenizer,
    *,
    held_out: float,
    n_tokens: int,
    length: int,
) -> None:
    """Write the token ids of every domain, unless they are there.

    Args:
        root: directory of a swarm.
        chosen: what was kept.
        corpus: the shards that were selected from.
        tokenizer: of the proxies.
        held_out: share of the documents to judge on.
        n_tokens: tokens one run reads; no domain needs more.
        length: tokens of one sequence; a domain needs as many at least.

    Raises:
        ConfigError: too little text to train on, or to judge by.
    """
    done = root / "tokens" / "_tokens.json"
    if done.exists():
        return
    most = {KEPT: 1.25 * n_tokens, BEFORE: 1.25 * n_tokens, VALIDATION: _MOST_VALIDATION}
    kept, validation = _encode(chosen, corpus, tokenizer, held_out, most[KEPT], everything=False)
    before, _ = _encode(chosen, corpus, tokenizer, held_out, most[BEFORE], everything=True)
    kind = np.uint16 if tokenizer.size <= 2**16 else np.uint32
    counts: dict[str, dict[str, int]] = {}
    for what, pieces in ((KEPT, kept), (BEFORE, before), (VALIDATION, validation)):
        counts[what] = {}
        for number, domain in enumerate(chosen.all_domains):
            in_lot_order = [ids for _, ids in sorted(pieces[domain])]
            joined = np.array([i for ids in in_lot_order for i in ids], kind)[: int(most[what])]
            path = root / "tokens" / f"{what}-{number:03d}.npy"
            with whole(path) as temporary, temporary.open("wb") as file:
                np.save(file, joined)
            counts[what][domain] = len(joined)
    for domain in chosen.domains:
        for what, least in ((KEPT, length), (VALIDATION, _LEAST_VALIDATION)):
            if counts[what][domain] < least:
                raise ConfigError(
                    f"{domain!r} has {counts[what][domain]} tokens of {what} text; proxies need "
                    f"{least}. Keep more documents, hold out another share than {held_out}, or "
                    f"leave the domain out."
                )
    write_json(done, counts)


def _encode(
    chosen: Selection,
    corpus: Corpus,
    tokenizer: Tokenizer,
    held_out: float,
    most: float,
    *,
    everything: bool,
) -> tuple[_Pieces, _Pieces]:
    """(training, held-out) documents of each domain, each with its lot; enough, not all."""
    which = "before" if everything else "kept"
    amounts = chosen.amounts(which, chosen.all_domains)
    counts = chosen.manifest["domains"]
    enough = {
        domain: max(most / amount, _FEWEST_DOCUMENTS / counts[domain]["documents"])
        for domain, amount in zip(chosen.all_domains, amounts, strict=True)
        if amount
    }
    training: _Pieces = defaultdict(list)
    judging: _Pieces = defaultdict(list)
    for _, batch in chosen.texts(corpus, everything=everything):
        held = lots(0, "held out", batch.keys) < held_out
        lot = lots(0, "proxy text", batch.keys)
        picked = [i for i, d in enumerate(batch.domains) if held[i] or lot[i] < enough.get(d, 0.0)]
        encoded = tokenizer.encode([batch.texts[i] for i in picked])
        for i, ids in zip(picked, encoded, strict=True):
            pieces = judging if held[i] else training
            pieces[batch.domains[i]].append((float(lot[i]), [tokenizer.prefix_id, *ids]))
    return training, judging
