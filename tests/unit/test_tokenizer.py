"""No text becomes a control token, and prompts are framed once or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AddedToken, AutoTokenizer, ByT5Tokenizer

from scorers.tokenizer import _SENTINEL, Tokenizer
from tests.tiny import make_tokenizer, make_unigram

SPELLINGS = [
    *("<s>", "</s>", "<pad>", "<unk>", "<extra_id_0>", "<extra_id_1>", "<think>", "</think>"),
    *("<|im_end|>", "<a>b", "b<c>", "    ", "☃", "<", "</", ">", "|", "s>", "/s>", "think>", "\n"),
]
texts = st.recursive(
    st.one_of(st.sampled_from(SPELLINGS), st.text(max_size=4)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map("".join),
        st.tuples(st.sampled_from(SPELLINGS), inner, st.integers(0, 8)).map(
            lambda t: t[0][: t[2]] + t[1] + t[0][t[2] :]
        ),
    ),
    max_leaves=8,
)
often = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def add(path: Path, *tokens: AddedToken, **named: str) -> Tokenizer:
    """Add tokens to the tokenizer at path."""
    hf = AutoTokenizer.from_pretrained(path)
    hf.add_tokens([token for token in tokens if not token.special])
    hf.add_tokens([token for token in tokens if token.special], special_tokens=True)
    hf.add_special_tokens(named)
    hf.save_pretrained(path)
    return Tokenizer(model=str(path))


@pytest.fixture(scope="module")
def bpe(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    path = tmp_path_factory.mktemp("bpe")
    make_tokenizer(path, template="<s> $A")
    plain = ("<think>", "</think>", "<a>b", "b<c>", "    ", "\n\n", "▁▁", "☃")
    special = ("<|im_end|>", "<pad>")
    return add(
        path,
        *(AddedToken(token, special=False, normalized=False) for token in plain),
        *(AddedToken(token, special=True, normalized=False) for token in special),
    )


@pytest.fixture(scope="module")
def unigram(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return Tokenizer(model=str(make_unigram(tmp_path_factory.mktemp("unigram"))))


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    path = tmp_path_factory.mktemp("byt5")
    ByT5Tokenizer(extra_ids=2).save_pretrained(path)
    tokenizer = add(path, AddedToken("</think>", special=False))
    assert tokenizer._fast is None
    return tokenizer


@pytest.fixture(scope="module")
def kinds(bpe: Tokenizer, unigram: Tokenizer, slow: Tokenizer) -> list[Tokenizer]:
    python = Tokenizer(model=unigram.model)
    python.__dict__["_fast"] = None  # the same vocabulary by way of the Python class
    return [bpe, unigram, slow, python]


def forbidden(tokenizer: Tokenizer) -> set[int]:
    hf = tokenizer._hf
    ids = {i for i, t in hf.added_tokens_decoder.items() if t.content.strip(" \n▁")}
    return (ids | set(hf.all_special_ids)) - {hf.unk_token_id}


@often
@given(batch=st.lists(texts, max_size=3))
def test_no_text_is_a_control_token(kinds: list[Tokenizer], batch: list[str]) -> None:
    for tokenizer in kinds:
        found = tokenizer.encode(batch)
        assert len(found) == len(batch)
        for text, ids in zip(batch, found, strict=True):
            assert not forbidden(tokenizer) & set(ids)
            assert tokenizer.encode([text]) == [ids]


@often
@given(text=texts)
def test_byte_level_bpe_keeps_every_other_character(bpe: Tokenizer, text: str) -> None:
    (ids,) = bpe.encode([text])
    kept = bpe._hf.decode(ids, clean_up_tokenization_spaces=False)
    assert kept == text.replace("☃", "")


def test_control_tokens_by_example(bpe: Tokenizer, unigram: Tokenizer, slow: Tokenizer) -> None:
    for tokenizer in (bpe, slow):
        for text in ("good </think> more", "<</think>/think>"):
            (ids,) = tokenizer.encode([text])
            assert tokenizer._hf.decode(ids) == text
    (ids,) = unigram.encode(["yes </s> no"])
    assert unigram.pieces(["yes </s> no"]) == [["▁yes", "▁", "<", "▁", "/", "s", ">", "▁no"]]
    assert not {0, 1} & set(ids)
    assert 2 in unigram.encode(["文"])[0]  # what is unknown stays unknown
    assert unigram.encode([]) == []


def test_other_texts_of_the_batch_stay_as_they_are(unigram: Tokenizer) -> None:
    alone = unigram.encode(["the quick fox"])
    assert unigram.encode(["</s>", "the quick fox", "<pad>"])[1:2] == alone


def test_a_spelling_that_the_normalizer_makes_is_left_out(tmp_path: Path) -> None:
    from tokenizers import normalizers

    make_unigram(tmp_path)
    tokenizer = Tokenizer(model=str(tmp_path))
    tokenizer._fast.normalizer = normalizers.NFKC()
    (bare,) = tokenizer._split(["yes \uff1c/s\uff1e no"])
    assert 1 in bare
    assert tokenizer.encode(["yes \uff1c/s\uff1e no"]) == [[i for i in bare if i != 1]]


def test_white_space_stays_a_token(bpe: Tokenizer) -> None:
    assert bpe.pieces(["a    b\n\nc▁▁"]) == [["a", "    ", "b", "\n\n", "c", "▁▁"]]


def test_an_unknown_token_with_another_role_is_a_control_token(tmp_path: Path) -> None:
    make_tokenizer(tmp_path, template="<s> $A")
    tokenizer = add(tmp_path, unk_token="</s>")  # as GPT-2 does
    assert 1 in tokenizer._control


def test_the_piece_without_a_space_is_a_variant(unigram: Tokenizer) -> None:
    vocabulary = unigram._hf.get_vocab()
    assert unigram.forms("yes") == (vocabulary["▁yes"],)
    expected = {vocabulary["▁yes"], vocabulary["yes"], vocabulary["Yes"]}
    assert set(unigram.forms("yes", variants=True)) == expected


def test_a_character_that_stands_for_a_byte_is_no_variant(bpe: Tokenizer) -> None:
    assert "é" in bpe._hf.get_vocab()  # byte 0xE9
    with pytest.raises(ValueError, match="single token"):
        bpe.forms("é", variants=True)


def templated(path: Path, template: str) -> Tokenizer:
    make_tokenizer(path, template="<s> $A")
    tokenizer = Tokenizer(model=str(path))
    tokenizer._hf.chat_template = template
    return tokenizer


def test_a_thinking_model_is_asked_for_its_answer(tmp_path: Path) -> None:
    thinking = "{% if enable_thinking is not defined or enable_thinking %}think{% endif %}"
    tokenizer = templated(tmp_path, "{{ messages[0].content }}:" + thinking)
    before, after = tokenizer.frame(("a", "b"))
    assert (tokenizer._hf.decode(before), tokenizer._hf.decode(after)) == ("a", "b:")


@pytest.mark.parametrize("template", ["hi", "{{ messages[0].content * 2 }}"])
def test_a_template_that_drops_or_repeats_the_message(tmp_path: Path, template: str) -> None:
    with pytest.raises(
        ValueError, match=r"must show the user's message once, not [02] times: set 'chat' False"
    ):
        templated(tmp_path, template).frame(("a", "b"))


def test_a_prompt_that_holds_the_mark(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="out of the prompt"):
        templated(tmp_path, "{{ messages[0].content }}").frame(("a" + _SENTINEL, "b"))


def test_special_ends(bpe: Tokenizer, unigram: Tokenizer, slow: Tokenizer) -> None:
    assert bpe.special_ends == ([0], [])
    assert unigram.special_ends == slow.special_ends == ([], [1])


@pytest.mark.parametrize("alone", [[], [7]])
def test_special_ends_that_cannot_be_told(
    bpe: Tokenizer, monkeypatch: pytest.MonkeyPatch, alone: list[int]
) -> None:
    tokenizer = Tokenizer(model=bpe.model)
    monkeypatch.setattr(Tokenizer, "_plain", lambda *_: alone)
    with pytest.raises(ValueError, match="cannot be told"):
        _ = tokenizer.special_ends
