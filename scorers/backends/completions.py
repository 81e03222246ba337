"""What a reply of the completions API says about probabilities, in the dialects servers speak."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..base import FloatArray
from .server_errors import ReplyError

_ID_PREFIX = "token_id:"
_ROUNDING = 1e-3
"""Nats by which float32 may lift the logarithm of a probability near 1 above 0."""


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """Which token a server means by a text.

    Attributes:
        model: directory or hub name of the tokenizer.
        trust_remote_code: run Python code that comes with it.
    """

    model: str
    trust_remote_code: bool = False

    def id_of(self, text: str) -> int | None:
        """The one token that reads so, decoded or as the vocabulary spells it; None if several."""
        return self._ids.get(text)

    @cached_property
    def _ids(self) -> dict[str, int | None]:
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(
            self.model, trust_remote_code=self.trust_remote_code
        )
        every = list(range(len(tokenizer)))
        decoded = tokenizer.batch_decode(
            [[i] for i in every], skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        ids: dict[str, int | None] = {}
        for texts in (decoded, tokenizer.convert_ids_to_tokens(every)):
            for i, text in zip(every, texts, strict=True):
                ids[text] = i if ids.get(text, i) == i else None
        return ids


def choices(reply: Any, n: int) -> list[Any]:
    """The n choices of a reply, in the order of the prompts, whatever order they came in."""
    found = reply.get("choices") if isinstance(reply, dict) else None
    if not isinstance(found, list):
        raise ReplyError(
            "expected a reply with 'choices', found other JSON",
            advice="Check that the server offers OpenAI's completions API.",
        )
    numbers = [c.get("index") if isinstance(c, dict) else None for c in found]
    if sorted(i for i in numbers if isinstance(i, int)) != list(range(n)) or len(found) != n:
        raise ReplyError(
            f"expected one choice for each of {n} prompts, found {len(found)} numbered {numbers}",
            advice="Set 'prompts_per_request' to 1.",
        )
    return sorted(found, key=lambda choice: int(choice["index"]))


def first_token(choice: Any) -> list[tuple[int | str, float]]:
    """The tokens told for the first place after the prompt: an id or a text, and log P.

    Two forms are in use: OpenAI's parallel lists, and the list of objects of its chat API, which
    llama.cpp answers here too.
    """
    told = _logprobs(choice)
    try:
        if "content" in told:
            place = told["content"][0]
            listed = [place, *(place.get("top_logprobs") or [])]
            pairs = [(entry.get("id", entry.get("token")), entry["logprob"]) for entry in listed]
        else:
            pairs = [(told["tokens"][0], told["token_logprobs"][0])]
            pairs += ((told.get("top_logprobs") or [None])[0] or {}).items()
    except (IndexError, KeyError, TypeError, AttributeError) as error:
        raise _no_logprobs("in a form that is not OpenAI's") from error
    names = [_name(name) for name, _ in pairs]
    values = _checked([value for _, value in pairs])
    return list(dict(zip(names, values.tolist(), strict=True)).items())


def next_token(
    choice: Any, token_ids: Sequence[int], vocabulary: Vocabulary, *, exact: bool
) -> tuple[list[float], float]:
    """Log P of each token asked for, NaN where it is not told, and the probability of all untold.

    Args:
        choice: of the reply.
        token_ids: the m tokens asked for.
        vocabulary: consulted where the server names tokens by text.
        exact: the server was asked for these very tokens.
    """
    told = first_token(choice)
    if sum(math.exp(value) for _, value in told) > 1.01:
        raise ReplyError(
            "the probabilities of the most likely tokens sum to more than 1",
            advice="The server must report log-probabilities over the whole vocabulary.",
        )
    known: dict[int, float] = {}
    for name, value in told:
        token = vocabulary.id_of(name) if isinstance(name, str) else name
        if token is not None:
            known[token] = value
    found = [known.get(token, math.nan) for token in token_ids]
    if exact and not any(math.isnan(value) for value in found):
        return found, 0.0
    if exact:
        raise ReplyError(
            "the server did not tell all the tokens asked for, though it did before",
            advice="Send other work with log-probabilities to another server.",
            retry=True,
        )
    return found, min(1.0, max(0.0, 1 - sum(math.exp(value) for value in known.values())))


def echoed(choice: Any, prompt: Sequence[int]) -> FloatArray:
    """Log P of each token of an echoed prompt but the first, float64[len - 1]."""
    told = _logprobs(choice)
    tokens, values = told.get("tokens"), told.get("token_logprobs")
    if not isinstance(tokens, list) or not isinstance(values, list):
        raise _no_logprobs("of generated tokens alone")
    n = len(prompt)
    if len(tokens) != len(values) or len(tokens) not in (n, n + 1):
        raise ReplyError(
            f"expected the log-probabilities of a prompt of {n} tokens and of one more, found "
            f"{len(values)} for {len(tokens)} tokens",
            advice="The server must support 'echo' with 'logprobs', as vLLM and SGLang do.",
        )
    by_name = [i for token in tokens[:n] if isinstance(i := _name(token), int)]
    for ids in (by_name, choice.get("prompt_token_ids")):
        if ids and ids != [int(t) for t in prompt]:
            raise ReplyError(
                "the tokens echoed are not those sent",
                advice="Check that 'served_model' is the model whose tokenizer is used.",
            )
    return _checked(values[1:n])


def _logprobs(choice: Any) -> dict[str, Any]:
    told = choice.get("logprobs")
    if not isinstance(told, dict):
        raise _no_logprobs("none")
    return told


def _no_logprobs(found: str) -> ReplyError:
    return ReplyError(
        f"expected log-probabilities, found {found}",
        advice="The server must support 'logprobs' in /completions, as vLLM and SGLang do; some "
        "need an option for it.",
    )


def _name(token: Any) -> int | str:
    if isinstance(token, str) and token.startswith(_ID_PREFIX):
        number = token.removeprefix(_ID_PREFIX)
        return int(number) if number.isdecimal() else token
    return token if isinstance(token, int) else str(token)


def _checked(values: Sequence[Any]) -> FloatArray:
    """Log-probabilities as float64, each a number <= 0."""
    if not all(isinstance(value, (int, float)) and value <= _ROUNDING for value in values):
        raise ReplyError(
            "a log-probability is null, not a number or positive",
            advice="The model may overflow in float16: serve it in bfloat16 or float32.",
        )
    return np.minimum(np.array(values, np.float64), 0.0)
