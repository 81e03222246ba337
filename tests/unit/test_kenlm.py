"""KenLM's scores against back-off by hand, and text that tries to be more than text."""

from __future__ import annotations

import doctest
import json
import math
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import scorers.kenlm
from scorers.kenlm import KenLM

# log10 probability and back-off weight of each n-gram.
MODEL: dict[tuple[str, ...], tuple[float, float]] = {
    ("<unk>",): (-2.5, 0.0),
    ("<s>",): (-99.0, -0.31),
    ("</s>",): (-1.1, 0.0),
    ("the",): (-0.7, -0.23),
    ("cat",): (-1.3, -0.17),
    ("sat",): (-1.6, -0.11),
    ("▁c",): (-1.9, -0.07),
    ("at",): (-1.4, -0.05),
    ("<s>", "the"): (-0.25, -0.13),
    ("the", "cat"): (-0.4, -0.19),
    ("cat", "sat"): (-0.5, -0.29),
    ("sat", "</s>"): (-0.6, 0.0),
    ("▁c", "at"): (-0.35, -0.02),
    ("<s>", "the", "cat"): (-0.15, 0.0),
    ("cat", "sat", "</s>"): (-0.45, 0.0),
}


def write_arpa(path: Path, model: dict[tuple[str, ...], tuple[float, float]] = MODEL) -> str:
    parts = ["\n\\data\\"]
    by_order = {n: {k: v for k, v in model.items() if len(k) == n} for n in (1, 2, 3)}
    parts += [f"ngram {n}={len(grams)}" for n, grams in by_order.items()]
    for n, grams in by_order.items():
        parts.append(f"\n\\{n}-grams:")
        for words, (log10_p, backoff) in grams.items():
            parts.append(f"{log10_p}\t{' '.join(words)}" + (f"\t{backoff}" if n < 3 else ""))
    path.write_text("\n".join([*parts, "\n\\end\\\n"]))
    return str(path)


def log10_p(word: str, before: tuple[str, ...]) -> float:
    """Katz's recursion: the n-gram if it is listed, else back-off times a shorter one."""
    if (*before, word) in MODEL:
        return MODEL[*before, word][0]
    return MODEL.get(before, (0.0, 0.0))[1] + log10_p(word, before[1:])


def by_hand(*sentences: list[str]) -> tuple[float, int, int]:
    """Nats, predicted tokens and unknown words of sentences."""
    total, n, unknown = 0.0, 0, 0
    for sentence in sentences:
        seen = ["<s>"]
        for word in [*sentence, "</s>"]:
            known = word if (word,) in MODEL else "<unk>"
            total -= log10_p(known, tuple(seen[-2:]))
            seen.append(known)
            n += 1
            unknown += known == "<unk>"
    return total * math.log(10), n, unknown


@pytest.fixture(scope="module")
def arpa(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A trigram model."""
    pytest.importorskip("kenlm", reason="optional: pip install 'curate-lm[kenlm]'")
    return write_arpa(tmp_path_factory.mktemp("kenlm") / "tiny.arpa")


def test_the_example(arpa: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert doctest.testmod(scorers.kenlm).failed == 0


def test_one_sentence_in_numbers(arpa: str) -> None:
    scored = KenLM(model=arpa).score(["the cat sat", "sat the dog"])
    first = 0.25 + 0.15 + (0.19 + 0.5) + 0.45
    second = (0.31 + 1.6) + (0.11 + 0.7) + (0.23 + 2.5) + 1.1
    np.testing.assert_allclose(
        scored.value, np.array([first, second]) * math.log(10) / 4, rtol=1e-6
    )
    assert scored.extra["n_tokens"].tolist() == [4, 4]
    assert scored.extra["n_oov"].tolist() == [0, 1]
    assert scored.extra["n_tokens"].dtype == scored.extra["n_oov"].dtype == np.int32


words = st.sampled_from(["the", "cat", "sat", "dog", "▁c", "at", "Über"])


@given(lines=st.lists(st.lists(words, max_size=6), max_size=5))
def test_equals_back_off_by_hand(arpa: str, lines: list[list[str]]) -> None:
    text = "\n".join(map(" ".join, lines))
    for sentences in ("line", "document"):
        full = [line for line in lines if line]
        cut = full if sentences == "line" else [[w for line in full for w in line]]
        scored = KenLM(model=arpa, sentences=sentences).score([text])
        if not full:
            assert scored.reason == ["empty"]
            continue
        nats, n, unknown = by_hand(*cut)
        assert scored.value[0] == pytest.approx(nats / n, rel=1e-6)
        assert [scored.extra[name][0] for name in ("n_tokens", "n_oov")] == [n, unknown]
        bits = nats / math.log(2) / len(text.encode())
        assert scored.extra["bits_per_byte"][0] == pytest.approx(bits, rel=1e-6)


def test_is_the_logarithm_of_perplexity(arpa: str) -> None:
    """The formula of CCNet's DocLM, with KenLM's own sum for a line."""
    import kenlm

    lines = ["the cat sat", "the dog", "at cat"]
    model = kenlm.Model(arpa)
    log10 = sum(model.score(line) for line in lines)
    n = sum(len(line.split()) + 1 for line in lines)
    found = KenLM(model=arpa).score(["\n".join(lines)]).value[0]
    assert math.exp(found) == pytest.approx(10 ** (-log10 / n), rel=1e-5)


def test_a_line_is_a_sentence_and_one_without_a_word_is_none(arpa: str) -> None:
    texts = ["the cat\nsat", "the cat\r\n\n \t\n  sat\n", "the cat sat"]
    line = KenLM(model=arpa).score(texts)
    assert line.value[0] == line.value[1] != line.value[2]
    assert line.extra["n_tokens"].tolist() == [5, 5, 4]
    document = KenLM(model=arpa, sentences="document").score(texts)
    assert np.unique(document.value).tolist() == [line.value[2]]


def test_lower_case_on_request(arpa: str) -> None:
    texts = ["The CAT", "the cat"]
    assert KenLM(model=arpa).score(texts).extra["n_oov"].tolist() == [2, 0]
    lower = KenLM(model=arpa, lowercase=True).score(texts)
    assert lower.value[0] == lower.value[1]


# Words of a tokenizer


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A SentencePiece-like tokenizer that knows two pieces and drops the control character 1."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = [("<unk>", 0.0), ("▁c", -1.0), ("at", -1.0), ("▁", -5.0), ("\t", -5.0)]
    made = Tokenizer(models.Unigram(vocabulary, unk_id=0))
    made.normalizer = normalizers.Replace("\x01", "")
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    path = tmp_path_factory.mktemp("pieces")
    PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<unk>").save_pretrained(path)
    return str(path)


def test_words_are_the_pieces_of_a_tokenizer(arpa: str, pieces: str) -> None:
    scored = KenLM(model=arpa, tokenizer=pieces).score(["cat cat", "cat\ncat", "cat\tQ", "\x01"])
    expected = [
        by_hand(["▁c", "at", "▁c", "at"]),
        by_hand(["▁c", "at"], ["▁c", "at"]),
        by_hand(["▁c", "at", "<unk>"]),
    ]
    for i, (nats, n, unknown) in enumerate(expected):
        assert scored.value[i] == pytest.approx(nats / n, rel=1e-6)
        assert [scored.extra[name][i] for name in ("n_tokens", "n_oov")] == [n, unknown]
    assert scored.reason == [None, None, None, "no_tokens"]
    assert scored.extra["n_tokens"][3] == 0


# Hostile text


@pytest.mark.parametrize("word", ["<s>", "</s>", "<unk>", "<UNK>", "<S>"])
def test_text_that_spells_a_special_token_is_an_unknown_word(arpa: str, word: str) -> None:
    for lowercase in (False, True):
        scorer = KenLM(model=arpa, lowercase=lowercase)
        found = scorer.score([f"the {word} cat", "the dog cat", word, "dog"])
        assert found.value[0] == found.value[1]
        assert found.value[2] == found.value[3]
        assert found.extra["n_oov"].tolist() == [1] * 4


@pytest.mark.parametrize("separator", ["\0", "\ud800", "\x01", "\x7f", "\u200b", "\x1b[2J"])
def test_no_character_hides_the_rest_of_a_word(arpa: str, separator: str) -> None:
    """KenLM would read "the" alone where a NUL follows, and raise at a lone surrogate."""
    scored = KenLM(model=arpa).score([f"the{separator}cat", separator * 3, "dog"])
    np.testing.assert_array_equal(scored.value, scored.value[2])
    assert np.isfinite(scored.extra["bits_per_byte"]).all()
    assert scored.reason == [None] * 3


@pytest.mark.parametrize("space", ["\x0b", "\x1c", "\x85", "\u00a0", "\u2028", "\u3000", "\r"])
def test_white_space_of_any_kind_separates_words(arpa: str, space: str) -> None:
    one, other = KenLM(model=arpa).score([f"the{space}cat{space}", "the cat"]).value
    assert one == other


def test_a_line_of_any_length_is_summed_exactly(arpa: str) -> None:
    n = 300_000
    found = KenLM(model=arpa).score([" ".join(["sat"] * n)]).value[0]
    exact = ((0.31 + 1.6) + (n - 1) * (0.11 + 1.6) + 0.6) * math.log(10) / (n + 1)
    assert found == pytest.approx(exact, rel=1e-7)  # KenLM's own float32 sum is off by 2e-3


# The model and the package


def test_the_model_is_known_by_its_content(arpa: str, tmp_path: Path, pieces: str) -> None:
    plain = KenLM(model=arpa).config()
    assert json.loads(json.dumps(plain)) == plain
    copy = write_arpa(tmp_path / "copy.arpa")
    assert KenLM(model=copy).config() == plain
    other = write_arpa(tmp_path / "other.arpa", {**MODEL, ("at",): (-1.5, -0.05)})
    changed = [
        KenLM(model=other),
        KenLM(model=arpa, sentences="document"),
        KenLM(model=arpa, lowercase=True),
        KenLM(model=arpa, tokenizer=pieces),
    ]
    assert all(scorer.config() != plain for scorer in changed)


def test_loading_is_silent(arpa: str, capfd: pytest.CaptureFixture[str]) -> None:
    KenLM(model=arpa).score(["the cat"])
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("content", [None, "", "no model\n", "\n\\data\\\nngram 1=2\n"])
def test_what_is_no_model(arpa: str, tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "model.arpa"
    if content is not None:
        path.write_text(content)
    for bad in (path, tmp_path):
        with pytest.raises(ValueError, match="'model' of KenLM must be an ARPA file or a") as error:
            KenLM(model=str(bad)).config()
        assert str(bad) in str(error.value)


def test_a_missing_package_comes_with_its_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kenlm", None)
    scorer = KenLM(model="some.arpa")
    for use in (scorer.config, lambda: scorer.score(["text"])):
        with pytest.raises(ModuleNotFoundError, match=r"pip install 'curate-lm\[kenlm\]'"):
            use()


def test_parameters_out_of_range() -> None:
    with pytest.raises(ValueError, match="'sentences' of KenLM must be line or document"):
        KenLM(model="some.arpa", sentences="x")
