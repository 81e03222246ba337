"""Token priors against frequencies counted by hand; the split of a corpus does not matter."""

from __future__ import annotations

import doctest
import json
from functools import reduce
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import scorers.token_prior
from scorers.token_prior import FittedTokenPrior, TokenPrior

VOCABULARY = ["<unk>", "<s>", *"abcdefgh"]
CORPUS = ["a a a b", "a b c", "", "d"]


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tokenizer of words of one letter, which drops the control character 1."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    ids = {word: i for i, word in enumerate(VOCABULARY)}
    made = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
    made.normalizer = normalizers.Replace("\x01", "")
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    path = tmp_path_factory.mktemp("letters")
    PreTrainedTokenizerFast(
        tokenizer_object=made, unk_token="<unk>", bos_token="<s>"
    ).save_pretrained(path)
    return str(path)


def fitted(tokenizer: str, corpus: list[str]) -> FittedTokenPrior:
    spec = TokenPrior(tokenizer=tokenizer)
    return spec.merge([spec.fit([corpus])])


def test_the_example() -> None:
    assert doctest.testmod(scorers.token_prior).failed == 0


def test_mean_and_deviation_in_numbers(letters: str) -> None:
    """8 tokens: four a, two b, one c, one d."""
    scored = fitted(letters, CORPUS).score(CORPUS)
    a, b, c, d = np.log(np.array([4, 2, 1, 1]) / 8)
    np.testing.assert_allclose(
        scored.value, [(3 * a + b) / 4, (a + b + c) / 3, np.nan, d], rtol=1e-12
    )
    deviation = [np.std([a, a, a, b]), np.std([a, b, c]), np.nan, 0.0]
    np.testing.assert_allclose(scored.extra["sd_log_prior"], deviation, rtol=1e-12)
    assert scored.extra["n_tokens"].tolist() == [4, 3, 0, 1]
    assert scored.extra["n_tokens"].dtype == np.int32
    assert scored.reason == [None, None, "empty", None]


def test_a_token_never_seen_counts_as_seen_once(letters: str) -> None:
    scorer = fitted(letters, CORPUS)  # sees no id above that of d, and no <unk> below a
    scored = scorer.score(["h", "e f", "unheard-of", "d", "a h"])
    once, a = np.log(1 / 8), np.log(4 / 8)
    np.testing.assert_allclose(scored.value, [once, once, once, once, (a + once) / 2], rtol=1e-12)


documents = st.lists(st.text("abcdefgh \x01", max_size=12).map(" ".join), min_size=1, max_size=12)


@given(corpus=documents, data=st.data())
def test_the_split_and_the_order_of_states_do_not_matter(
    letters: str, corpus: list[str], data: st.DataObject
) -> None:
    corpus = [*corpus, "a h"]
    spec = TokenPrior(tokenizer=letters)
    one = spec.merge([spec.fit([corpus])])
    shuffled = data.draw(st.permutations(corpus))
    cut, other = sorted(data.draw(st.tuples(*[st.integers(0, len(corpus))] * 2)))
    states = [
        spec.fit([[text] for text in shuffled[:cut]]),
        spec.fit([shuffled[cut:other]]),
        spec.fit([shuffled[other:], []]),
    ]
    before = [state.copy() for state in states]
    many = spec.merge(data.draw(st.permutations(states)))
    assert many.config() == one.config()
    assert many.counts.tobytes() == one.counts.tobytes()
    assert many.score(corpus).value.tobytes() == one.score(corpus).value.tobytes()
    assert all(map(np.array_equal, before, states))


def test_states_are_grouped_as_one_likes(letters: str) -> None:
    spec = TokenPrior(tokenizer=letters)
    states = [spec.fit([[text]]) for text in CORPUS]
    whole = spec.merge(states)
    pair = [spec.merge(states[:2]).counts, spec.merge(states[2:]).counts]
    left = reduce(lambda done, state: spec.merge([done, state]).counts, states)
    assert spec.merge(pair).config() == spec.merge([left]).config() == whole.config()


def test_scores_do_not_depend_on_the_batch(letters: str) -> None:
    scorer = fitted(letters, CORPUS)
    texts = ["a b c d", "", "h", "\x01", "a " * 500 + "c"] * 3
    whole = scorer.score(texts)
    for start in range(0, len(texts), 4):
        part = scorer.score(texts[start : start + 4])
        rows = slice(start, start + 4)
        assert part.reason == whole.reason[rows]
        assert part.value.tobytes() == whole.value[rows].tobytes()
        for name, column in part.extra.items():
            assert column.tobytes() == whole.extra[name][rows].tobytes()


def test_a_document_of_the_corpus_is_part_of_its_own_prior(letters: str) -> None:
    alone = fitted(letters, ["a b"]).score(["a b"])
    assert alone.value[0] == pytest.approx(np.log(1 / 2))
    common = fitted(letters, ["a b", "a b", "c"]).score(["a b"])
    assert common.value[0] == pytest.approx(np.log(2 / 5))


def test_gibberish_and_repetition_are_the_two_extremes(tiny_model: str) -> None:
    rng = np.random.default_rng(0)
    words = np.array(["the", "quick", "brown", "fox", "jumps", "over", "lazy", "dog", "return"])
    common = 1 / np.arange(1, 10)
    prose = [" ".join(rng.choice(words, 40, p=common / common.sum())) for _ in range(200)]
    gibberish = "".join(rng.permutation([chr(c) for c in range(0x400, 0x4FF)]))
    corpus = [*prose, gibberish, "the " * 40]
    scored = fitted(tiny_model, corpus).score(corpus)
    assert scored.value.argmin() == 200
    assert scored.value.argmax() == 201


def test_hostile_text(letters: str, tiny_model: str) -> None:
    texts = ["\0", "\ud800", "<s> a </s>", "\x1b[2J", "a" * 100_000, "b " * 50_000, "\u200b"]
    for tokenizer in (letters, tiny_model):
        scored = fitted(tokenizer, texts).score(texts)
        assert np.isfinite(scored.value).all()
        assert (scored.extra["sd_log_prior"] >= 0).all()
    # What spells a special token is the text's own characters, and never that token.
    assert fitted(tiny_model, ["<s>"]).score(["<s>"]).extra["n_tokens"][0] > 1


def test_a_document_without_tokens(letters: str) -> None:
    scored = fitted(letters, [*CORPUS, "\x01"]).score(["\x01", "a", " \n"])
    assert scored.reason == ["no_tokens", None, "empty"]
    assert np.isnan(scored.value).tolist() == [True, False, True]
    assert np.isnan(scored.extra["sd_log_prior"]).tolist() == [True, False, True]
    assert scored.extra["n_tokens"].tolist() == [0, 1, 0]


@pytest.mark.parametrize("corpus", [[], [""], [" ", "\n"], ["\x01"]])
def test_nothing_to_count(letters: str, corpus: list[str]) -> None:
    with pytest.raises(ValueError, match=r"needs a corpus of at least 1 token\. Got 0"):
        fitted(letters, corpus)
    with pytest.raises(ValueError, match="at least 1 token"):
        TokenPrior(tokenizer=letters).merge([])


def test_the_corpus_and_the_tokenizer_are_known_by_their_content(
    letters: str, tiny_model: str
) -> None:
    config = fitted(letters, CORPUS).config()
    assert json.loads(json.dumps(config)) == config
    assert config["n_tokens"] == 8
    assert fitted(letters, CORPUS[::-1]).config() == config
    assert fitted(letters, ["a a a b", "a b c", "e"]).config() != config  # as many of each
    assert fitted(tiny_model, CORPUS).config() != config
    assert TokenPrior(tokenizer=letters).config() == TokenPrior(tokenizer=letters).config()


def test_a_wrong_name_is_known_before_the_fit(tmp_path: Path) -> None:
    with pytest.raises((OSError, ValueError)):
        TokenPrior(tokenizer=str(tmp_path)).config()
