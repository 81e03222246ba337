"""Log-probabilities from any server with OpenAI's completions API, such as ``vllm serve``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, TypeVar
from urllib.parse import urlsplit

import numpy as np

from ..base import FloatArray
from .base import NextToken
from .completions import Vocabulary, choices, echoed, first_token, next_token
from .json_api import JsonApi
from .server_errors import RejectedError, ServerError

_T = TypeVar("_T")

_REQUEST_TOKENS = 8192
"""Most tokens in one request, so that no reply takes long or grows large (~100 B a token)."""
_MAX_EXACT_IDS = 128
"""What vLLM takes as ``logprob_token_ids``."""
_PROBE_IDS = (1, 2, 3)
_LEAST = {
    "server_context": 2,
    "top_logprobs": 1,
    "prompts_per_request": 1,
    "concurrency": 1,
    "retries": 0,
}


@dataclass(frozen=True, kw_only=True)
class OpenAIBackend:
    """A served model, asked over HTTP for one token after each prompt.

    Prompts travel as token ids, so the server neither cuts nor frames a text. vLLM is asked for
    the answers' own ids and tells them exactly. Other servers tell the ``top_logprobs`` most
    likely tokens; an answer that is not among them is NaN, and ``missing_mass`` says how likely
    it can be at most. A token that a server names by text alone counts only where no other token
    of the vocabulary reads the same.

    The head's precision is the server's: start vLLM with
    ``--hf-overrides '{"head_dtype": "float32"}'``, or its scores come in a few thousand steps.
    How a server batches is its own affair too, so a run that was stopped and goes on may differ
    from an undisturbed one by rounding.

    Attributes:
        model: directory or hub name whose tokenizer made the ids; it must be the served model's.
        base_url: address of the API, such as ``http://localhost:8000/v1``.
        served_model: name of the model at the server; None: ``model`` where the server lists it,
            else the only one it lists.
        api_key_env: name of the environment variable that holds the key, if one is needed.
        server_context: the server's context in tokens, where ``/models`` does not say it
            (``max_model_len``); a smaller one counts anyway.
        top_logprobs: tokens asked for where the server does not take ids; servers differ in how
            many they grant (vLLM 20, OpenAI 5).
        prompts_per_request: most prompts sent together, of at most 8,192 tokens in all; 1 for
            a server that takes no lists of prompts.
        concurrency: requests in flight at once.
        timeout: seconds to wait for the answer to one request.
        retries: further tries after a lost connection, a timeout, a broken reply, status 408,
            429 or 5xx. They wait 1, 2, 4, … s with jitter, or as long as ``Retry-After`` says.
        trust_remote_code: run Python code that comes with the tokenizer. Off unless asked for.

    Raises:
        ServerError: a RuntimeError, from any method: which address, what was found, what to do.

    Example:
        >>> served = OpenAIBackend(model="Qwen/Qwen3-0.6B", base_url="http://localhost:8000/v1")
        >>> served.next_token_logprobs([], [9693, 2152]).logprobs.shape  # no request for no prompt
        (0, 2)
    """

    name: ClassVar[str] = "openai"

    model: str
    base_url: str
    served_model: str | None = None
    api_key_env: str = "OPENAI_API_KEY"
    server_context: int | None = None
    top_logprobs: int = 20
    prompts_per_request: int = 16
    concurrency: int = 32
    timeout: float = 120.0
    retries: int = 5
    trust_remote_code: bool = False

    def __post_init__(self) -> None:
        url = urlsplit(self.base_url)
        if url.scheme not in ("http", "https") or not url.netloc or "@" in url.netloc or url.query:
            raise ValueError(
                "'base_url' of OpenAIBackend must be an address such as http://localhost:8000/v1, "
                "without a user or a key in it (see 'api_key_env')."
            )
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"{name!r} of OpenAIBackend must be >= {least}. Got {value}.")
        if not self.timeout > 0:
            raise ValueError(f"'timeout' of OpenAIBackend must be positive. Got {self.timeout}.")

    @property
    def max_length(self) -> int:
        """One less than the server's context, which must hold the token after the prompt too."""
        known = [int(n) for n in (self._served.get("max_model_len"), self.server_context) if n]
        if not known:
            raise ServerError(
                f"{self._api.base_url}/models does not say how long a prompt may be "
                f"('max_model_len'). Give 'server_context', the tokens the server was started with."
            )
        return min(known) - 1

    def config(self) -> dict[str, Any]:
        """The model's name at the server, and whether and how many tokens it tells."""
        return {
            "backend": self.name,
            "model": self._served["id"],
            "exact": self._dialect.exact,
            "top_logprobs": self.top_logprobs,
        }

    def next_token_logprobs(
        self, prompts: Sequence[Sequence[int]], token_ids: Sequence[int]
    ) -> NextToken:
        """See `Backend.next_token_logprobs`."""
        ids = [int(t) for t in token_ids]
        if not prompts or not ids:
            return NextToken.exact(np.empty((len(prompts), len(ids))))
        exact = self._dialect.exact and len(ids) <= _MAX_EXACT_IDS
        found = self._ask(
            prompts,
            {"logprobs": 1, "logprob_token_ids": ids} if exact else {"logprobs": self.top_logprobs},
            lambda choice, _: next_token(choice, ids, self._vocabulary, exact=exact),
        )
        return NextToken(np.array([told for told, _ in found]), np.array([m for _, m in found]))

    def sequence_logprobs(self, sequences: Sequence[Sequence[int]]) -> list[FloatArray]:
        """See `Backend.sequence_logprobs`. The prompt is echoed with its log-probabilities."""
        out: list[FloatArray] = [np.empty(0)] * len(sequences)
        asked = [i for i, sequence in enumerate(sequences) if len(sequence) > 1]
        if not asked:
            return out
        # vLLM ranks the vocabulary at every token unless it is asked for the token alone; to
        # others 0 can mean none at all.
        options: dict[str, Any] = {"echo": True, "logprobs": 0 if self._dialect.exact else 1}
        if self._dialect.extensions:
            options["return_token_ids"] = True
        found = self._ask([sequences[i] for i in asked], options, echoed)
        for i, logprobs in zip(asked, found, strict=True):
            out[i] = logprobs
        return out

    def _ask(
        self,
        prompts: Sequence[Sequence[int]],
        options: Mapping[str, Any],
        read: Callable[[Any, Sequence[int]], _T],
    ) -> list[_T]:
        """What ``read`` finds in the choice that belongs to each prompt, in their order."""
        requests = list(self._requests([len(prompt) for prompt in prompts]))
        extensions = {"return_tokens_as_token_ids": True} if self._dialect.extensions else {}

        def bodies() -> Iterator[dict[str, Any]]:
            for rows in requests:
                ids = [[int(t) for t in prompts[row]] for row in rows]
                yield {**self._body(ids), **extensions, **options}

        def read_reply(number: int, reply: Any) -> list[_T]:
            rows = requests[number]
            found = choices(reply, len(rows))
            return [read(choice, prompts[row]) for row, choice in zip(rows, found, strict=True)]

        found: dict[int, _T] = {}
        replies = self._api.post("/completions", bodies(), read_reply)
        for rows, values in zip(requests, replies, strict=True):
            found.update(zip(rows, values, strict=True))
        return [found[row] for row in range(len(prompts))]

    def _body(self, prompts: list[list[int]]) -> dict[str, Any]:
        return {
            "model": self._served["id"],
            "prompt": prompts if self.prompts_per_request > 1 else prompts[0],
            "max_tokens": 1,
            "temperature": 0,
        }

    def _requests(self, lengths: Sequence[int]) -> Iterator[list[int]]:
        """Rows that travel together, the longest first, and few enough to fill every place."""
        most = min(self.prompts_per_request, -(-len(lengths) // self.concurrency))
        order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
        while order:
            n = max(1, min(most, _REQUEST_TOKENS // lengths[order[0]]))
            yield order[:n]
            del order[:n]

    @cached_property
    def _api(self) -> JsonApi:
        base_url = self.base_url.rstrip("/")
        return JsonApi(
            base_url=base_url if urlsplit(base_url).path else f"{base_url}/v1",
            api_key_env=self.api_key_env,
            concurrency=self.concurrency,
            timeout=self.timeout,
            retries=self.retries,
        )

    @cached_property
    def _served(self) -> Mapping[str, Any]:
        """The server's entry for the model."""
        reply = self._api.get("/models")
        try:
            listed = {str(entry["id"]): entry for entry in reply["data"]}
        except (KeyError, TypeError) as error:
            raise ServerError(
                f"{self._api.base_url}/models: expected a list of models, found other JSON. "
                f"Check that 'base_url' leads to a server with OpenAI's API."
            ) from error
        wanted = self.served_model or self.model
        if wanted not in listed and self.served_model is None and len(listed) == 1:
            wanted = next(iter(listed))
        if wanted not in listed:
            names = ", ".join(sorted(listed)[:20]) or "nothing"
            raise ServerError(
                f"{self._api.base_url} does not serve {wanted!r}; it serves {names}. "
                f"Give one of these as 'served_model'."
            )
        return dict(listed[wanted])

    @cached_property
    def _dialect(self) -> _Dialect:
        """What the server takes beyond OpenAI's fields, found out with one short request.

        A server may refuse fields it does not know or pass over them, so what counts is whether
        the ids asked for are in the reply.
        """
        extensions = {"return_tokens_as_token_ids": True, "return_token_ids": True}
        for extra in ({**extensions, "logprob_token_ids": list(_PROBE_IDS)}, extensions):
            body = {**self._body([[0]]), "logprobs": 1, **extra}
            try:
                (told,) = self._api.post(
                    "/completions", [body], lambda _, reply: first_token(choices(reply, 1)[0])
                )
            except RejectedError:
                continue
            return _Dialect(extensions=True, exact=set(_PROBE_IDS) <= dict(told).keys())
        return _Dialect(extensions=False, exact=False)

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        return Vocabulary(model=self.model, trust_remote_code=self.trust_remote_code)


@dataclass(frozen=True)
class _Dialect:
    """Whether the server takes vLLM's further fields, and whether it tells the ids asked for."""

    extensions: bool
    exact: bool
