"""The tokenizer of proxies: one that exists, or one trained on what they are trained on."""

from __future__ import annotations

import shutil
from pathlib import Path

from scorers.tokenizer import Tokenizer

from ..corpus import Corpus
from ..registry import resolve_model
from ..seeds import lots
from .proxy_swarm import OWN_TOKENIZER, Swarm
from .proxy_text import is_held_out
from .selection import Selection

_CHARACTERS = 2_000_000  # of each domain
_FEWEST_DOCUMENTS = 50
_START, _END = "<s>", "</s>"


def make_tokenizer(root: Path, swarm: Swarm, chosen: Selection, corpus: Corpus) -> Tokenizer:
    """The tokenizer of a swarm, trained if it is the corpus's own and not there yet."""
    if swarm.tokenizer != OWN_TOKENIZER:
        return Tokenizer(model=resolve_model(swarm.tokenizer))
    directory = root / "tokenizer"
    if not directory.exists():
        assert swarm.vocabulary is not None
        texts = _training_texts(chosen, corpus, swarm.held_out)
        _train(texts, swarm.vocabulary, directory)
    return Tokenizer(model=str(directory))


def _training_texts(chosen: Selection, corpus: Corpus, held_out: float) -> list[str]:
    """Kept documents that are not held out: as much of each domain, where there is as much."""
    counts = chosen.manifest["domains"]
    enough = {
        domain: max(1.5 * _CHARACTERS / max(1, counts[domain]["bytes_kept"]), 0.0)
        + _FEWEST_DOCUMENTS / max(1, counts[domain]["kept"])
        for domain in chosen.domains
    }
    found: dict[str, list[tuple[float, str]]] = {domain: [] for domain in chosen.domains}
    for _, batch in chosen.texts(corpus):
        held = is_held_out(batch.keys, held_out)
        lot = lots(0, "proxy tokenizer", batch.keys)
        for i, domain in enumerate(batch.domains):
            if not held[i] and lot[i] < enough[domain]:
                found[domain].append((float(lot[i]), batch.texts[i]))
    texts: list[str] = []
    for pieces in found.values():
        left = _CHARACTERS
        for _, text in sorted(pieces):
            texts.append(text[: max(0, left)])
            left -= len(text)
    # A lone surrogate is what no tokenizer can read.
    return [text.encode("utf-8", "replace").decode() for text in texts if text]


def _train(texts: list[str], vocabulary: int, directory: Path) -> None:
    """Write a byte-level BPE tokenizer, whole or not at all."""
    from tokenizers import Tokenizer as Model
    from tokenizers import decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    model = Model(models.BPE())
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[_START, _END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    model.train_from_iterator(texts, trainer)
    temporary = directory.with_name(f".{directory.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    PreTrainedTokenizerFast(
        tokenizer_object=model, bos_token=_START, eos_token=_END
    ).save_pretrained(temporary)
    temporary.rename(directory)
