"""The text proxies are trained and judged on, as token ids on disk.

    tokens/kept-000.npy         what was kept of the first domain
    tokens/before-000.npy       the same domain as it came, if a run asks for it
    tokens/validation-000.npy   kept documents that no proxy is trained on
    tokens/kept.json            how many of each; also before.json and validation.json

Which documents are held out is a function of their key alone, so that filtered and unfiltered runs
hold out the same ones, and all documents of one key. No text of a held-out document is trained on.
Copies of it under another id, and near-duplicates, are not looked for: they may be in both parts,
and make held-out losses lower than they should be. Remove them first (see the scorer semdedup).

Every file is in the order of random lots, and no longer than runs need.
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
_MARGIN = 1.25
_BYTES_PER_TOKEN = 8.0  # at most: amounts are in bytes where no tokens were counted
_OTHER_TOKENIZER = 2.5  # how many times fewer tokens another tokenizer may make of a text

Tokens = NDArray[np.integer[Any]]
_Pieces = dict[str, list[tuple[float, Tokens]]]


def is_held_out(keys: NDArray[np.uint64], share: float) -> NDArray[np.bool_]:
    """Which documents proxies are judged on and never trained on, by their keys."""
    held: NDArray[np.bool_] = lots(0, "held out", keys) < share
    return held


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
    text: str,
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
        text: `KEPT`, with which the validation text is written, or `BEFORE`.
        held_out: share of the documents to judge on.
        n_tokens: tokens one run reads; no domain needs more.
        length: tokens of one sequence; a domain needs as many and one at least.

    Raises:
        ConfigError: too little text to train on, or to judge by.
    """
    done = root / "tokens" / f"{text}.json"
    if done.exists():
        return
    most = {text: int(_MARGIN * n_tokens) + length + 1, VALIDATION: _MOST_VALIDATION}
    encoder = _Encoder(chosen, tokenizer, text, held_out, most)
    training, judging = encoder.encode(corpus)
    written = [(text, training)] if text == BEFORE else [(VALIDATION, judging), (text, training)]
    for what, pieces in written:
        counts = _write(root, what, chosen.all_domains, pieces, most[what])
        least = {KEPT: length + 1, VALIDATION: _LEAST_VALIDATION, BEFORE: 0}[what]
        for domain in chosen.domains:
            if counts[domain] < least:
                raise ConfigError(
                    f"{domain!r} has {counts[domain]} tokens of {what} text; proxies need "
                    f"{least}. Keep more documents, hold out another share than {held_out}, or "
                    f"leave the domain out."
                )
        write_json(root / "tokens" / f"{what}.json", counts)


def _write(root: Path, what: str, domains: list[str], pieces: _Pieces, most: int) -> dict[str, int]:
    counts = {}
    for number, domain in enumerate(domains):
        in_lot_order = [ids for _, ids in sorted(pieces[domain], key=lambda piece: piece[0])]
        joined = np.concatenate(in_lot_order)[:most] if in_lot_order else np.empty(0, np.uint16)
        path = root / "tokens" / f"{what}-{number:03d}.npy"
        with whole(path) as temporary, temporary.open("wb") as file:
            np.save(file, joined)
        counts[domain] = len(joined)
    return counts


class _Encoder:
    """Turns documents into token ids: enough of them, not all.

    Args:
        chosen: what was kept.
        tokenizer: of the proxies.
        text: `KEPT` or `BEFORE`.
        held_out: share of the documents to judge on.
        most: tokens of each kind that are wanted of a domain.
    """

    def __init__(
        self,
        chosen: Selection,
        tokenizer: Tokenizer,
        text: str,
        held_out: float,
        most: dict[str, int],
    ) -> None:
        self._chosen, self._tokenizer = chosen, tokenizer
        self._held_out, self._everything = held_out, text == BEFORE
        self._kind: type[np.unsignedinteger[Any]] = (
            np.uint16 if tokenizer.size <= 2**16 else np.uint32
        )
        self._training = self._enough(most[text] / (1 - held_out))
        self._judging = self._enough(most[VALIDATION] / held_out)

    def encode(self, corpus: Corpus) -> tuple[_Pieces, _Pieces]:
        """(training, held-out) documents of each domain, each with its lot."""
        training: _Pieces = defaultdict(list)
        judging: _Pieces = defaultdict(list)
        for _, batch in self._chosen.texts(corpus, everything=self._everything):
            held = is_held_out(batch.keys, self._held_out)
            lot = lots(0, "proxy text", batch.keys)
            if self._everything:
                picked = [i for i, d in enumerate(batch.domains) if not held[i]]
            else:
                picked = [*range(len(batch.domains))]
            limits = (self._training, self._judging)
            picked = [i for i in picked if lot[i] < limits[int(held[i])][batch.domains[i]]]
            encoded = self._tokenizer.encode([batch.texts[i] for i in picked])
            for i, ids in zip(picked, encoded, strict=True):
                pieces = judging if held[i] else training
                made: Tokens = np.array([self._tokenizer.prefix_id, *ids], self._kind)
                pieces[batch.domains[i]].append((float(lot[i]), made))
        return training, judging

    def _enough(self, most: float) -> dict[str, float]:
        """The share of each domain's documents that holds so many tokens, surely."""
        chosen, which = self._chosen, "before" if self._everything else "kept"
        amounts = chosen.amounts(which, chosen.all_domains)
        counts, column = chosen.manifest["domains"], "documents" if self._everything else "kept"
        counted = chosen.manifest["counts_tokens"]
        margin = _OTHER_TOKENIZER if counted else _BYTES_PER_TOKEN
        return {
            domain: margin * most / max(1.0, amount)
            + _FEWEST_DOCUMENTS / max(1, counts[domain][column])
            for domain, amount in zip(chosen.all_domains, amounts.tolist(), strict=True)
        }
