"""KenLM: how surprising a document is to an n-gram model."""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from .backends.fingerprint import fingerprint
from .base import Scored, reason_for_empty
from .tokenizer import Tokenizer

_SPECIAL = {"<s>": "<unk>", "</s>": "<unk>"}
_UNREADABLE = re.compile("[\0\ud800-\udfff]")
"""KenLM takes UTF-8, which holds no lone surrogate, in C strings, which end at NUL."""


@dataclass(frozen=True, kw_only=True)
class KenLM:
    r"""Mean negative log-likelihood per word under an n-gram model that KenLM can read.

    Each sentence is scored after ``<s>``, and its end ``</s>`` is predicted like a word, so that a
    document of w words in s sentences has w + s predicted tokens; the score is -ln P over these.
    A word the model does not know is scored as ``<unk>``. So is one that reads ``<s>`` or
    ``</s>``: text can neither begin nor end a sentence.

    Source: the perplexity of CCNet's ``DocLM`` (Wenzek et al. 2020, arXiv 1911.00359, and its
    code) is the exponential of this score; the model is queried by KenLM (Heafield 2011).
    Departures: lines without a word are left out (there, each costs one ``</s>``); the text stands
    as it is (there, lower-cased, without accents and control characters, digits as 0, punctuation
    in ASCII: bring the text of CCNet's models to that form); log-probabilities are added in
    float64. CCNet's pipeline loses line breaks before it scores: that is ``sentences="document"``.

    Cost: 2.5 million words (11 MB) a second and core, with a small model. KenLM's own ``score``
    does 10 million, but counts no unknown words and adds in float32: .1 % off on a line of a
    million words. An ARPA file is parsed at each start; KenLM's binary is not.

    Attributes:
        model: an ARPA file, or a binary that KenLM built from one.
        sentences: "line": each line is a sentence; "document": the whole document is one.
        lowercase: lower-case the text first.
        tokenizer: directory or hub name of a Hugging Face tokenizer whose pieces are the model's
            words (for models of SentencePiece text); None: what white space separates, as it is.
        trust_remote_code: run Python code that comes with the tokenizer. Off unless asked for.

    Example:
        The model knows the bigrams "<s> the" and "the cat"; all else backs off to unigrams.

        >>> from tempfile import mkdtemp
        >>> counts = "\n\\data\\\nngram 1=5\nngram 2=2\n\n"
        >>> unigrams = "-2\t<unk>\n0\t<s>\t-.3\n-1\t</s>\n-.7\tthe\t-.2\n-1.2\tcat\t-.1\n\n"
        >>> bigrams = "-.25\t<s> the\n-.4\tthe cat\n\n"
        >>> arpa = f"{counts}\\1-grams:\n{unigrams}\\2-grams:\n{bigrams}\\end\\\n"
        >>> path = Path(mkdtemp(), "tiny.arpa")
        >>> _ = path.write_text(arpa)
        >>> scored = KenLM(model=str(path)).score(["the cat\ndog"])

        =====  ============  ================================
        token  after         log10 P
        =====  ============  ================================
        the    <s>           -.25
        cat    the           -.4
        </s>   cat           -.1 (back-off of "cat") - 1
        <unk>  <s>           -.3 (back-off of "<s>") - 2
        </s>   <unk>         -1
        =====  ============  ================================

        >>> round(float(scored.value[0]), 4), round(5.05 * math.log(10) / 5, 4)
        (2.3256, 2.3256)
        >>> scored.extra["n_tokens"].tolist(), scored.extra["n_oov"].tolist()
        ([5], [1])
    """

    name: ClassVar[str] = "kenlm"
    column: ClassVar[str] = "nll_per_word"
    unit: ClassVar[str] = "nats/word"
    higher_is_better: ClassVar[bool | None] = False

    model: str
    sentences: str = "line"
    lowercase: bool = False
    tokenizer: str | None = None
    trust_remote_code: bool = False

    def __post_init__(self) -> None:
        if self.sentences not in ("line", "document"):
            raise ValueError(
                f"'sentences' of KenLM must be line or document. Got {self.sentences!r}."
            )

    def score(self, texts: Sequence[str]) -> Scored:
        """Mean of -ln P(word | words before it) over each text.

        Args:
            texts: n documents.

        Returns:
            value: float64[n], nats per predicted token, >= 0; NaN for empty documents. extra:
            ``n_tokens`` (int32, words and one ``</s>`` a sentence), ``n_oov`` (int32, words scored
            as ``<unk>``) and ``bits_per_byte`` (float64), which compares across tokenizers where
            few words are unknown: one costs the same however long it is.
        """
        reasons = [reason_for_empty(text) for text in texts]
        owners: list[int] = []
        sentences: list[str] = []
        for i, text in enumerate(texts):
            if reasons[i] is None:
                cut = self._sentences(text)
                sentences += cut
                owners += [i] * len(cut)
        n = len(texts)
        nll, n_tokens, n_oov = np.zeros(n), np.zeros(n, np.int32), np.zeros(n, np.int32)
        for i, words in zip(owners, self._words(sentences), strict=True):
            if not words:
                continue
            log10, unknown = 0.0, 0
            for log10_p, _, is_unknown in self._lm.full_scores(" ".join(words)):
                log10 += log10_p
                unknown += is_unknown
            nll[i] -= log10 * math.log(10)
            n_tokens[i] += len(words) + 1
            n_oov[i] += unknown
        for i in set(owners):
            if not n_tokens[i]:
                reasons[i] = "no_tokens"
        nll[[r is not None for r in reasons]] = np.nan
        n_bytes = np.array([len(t.encode("utf-8", "replace")) for t in texts])
        extra = {
            "n_tokens": n_tokens,
            "n_oov": n_oov,
            "bits_per_byte": nll / math.log(2) / np.maximum(n_bytes, 1),
        }
        return Scored(value=nll / np.maximum(n_tokens, 1), reason=reasons, extra=extra)

    def config(self) -> dict[str, Any]:
        """Everything that decides a score.

        Raises:
            ModuleNotFoundError: the package kenlm is missing.
            ValueError: ``model`` is no file that KenLM can read.
        """
        _ = self._lm, self._encoder and self._encoder.size  # what cannot be loaded is said here
        return {
            "model": fingerprint(self.model),
            "sentences": self.sentences,
            "lowercase": self.lowercase,
            "tokenizer": None if self.tokenizer is None else fingerprint(self.tokenizer),
        }

    def _sentences(self, text: str) -> list[str]:
        text = _UNREADABLE.sub("\ufffd", text)
        text = text.lower() if self.lowercase else text
        lines = text.split("\n") if self.sentences == "line" else [text]
        return [line for line in lines if line.strip()]

    def _words(self, sentences: list[str]) -> Iterator[list[str]]:
        lines = iter(sentences)
        if self._encoder is not None:
            # A piece may hold white space, which KenLM takes for the end of a word.
            lines = map(" ".join, self._encoder.pieces(sentences))
        for line in lines:
            yield [_SPECIAL.get(word, word) for word in line.split()]

    @cached_property
    def _encoder(self) -> Tokenizer | None:
        if self.tokenizer is None:
            return None
        return Tokenizer(model=self.tokenizer, trust_remote_code=self.trust_remote_code)

    @cached_property
    def _lm(self) -> Any:
        try:
            kenlm = importlib.import_module("kenlm")
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "KenLM needs the package kenlm: pip install 'curate-lm[kenlm]'"
            ) from error
        wanted = "'model' of KenLM must be an ARPA file or a KenLM binary"
        if not Path(self.model).is_file():
            raise ValueError(f"{wanted}. Got {self.model!r}, which is no file.")
        options = kenlm.Config()
        options.show_progress = False
        options.arpa_complain = kenlm.ARPALoadComplain.NONE
        try:
            return kenlm.Model(self.model, options)
        except OSError as error:
            raise ValueError(f"{wanted}. {error}") from error
