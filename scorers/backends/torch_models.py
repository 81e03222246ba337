"""Models of transformers, causal or encoder-decoder, as hidden states and a head."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from .head import Float32Head


class TorchModel(Protocol):
    """What `TransformersBackend` needs of a model."""

    @property
    def head(self) -> Float32Head:
        """Of this model."""
        ...

    def last_states(self, sequences: Sequence[Sequence[int]]) -> Any:
        """Hidden states [n, width] that predict the token after each prompt, longest first."""
        ...

    def all_states(self, sequences: Sequence[Sequence[int]]) -> Any:
        """Hidden states [Σ (len - 1), width] that predict each token but the first, in order."""
        ...


@dataclass(frozen=True)
class CausalModel:
    """A decoder. Right padding: no real token sees a padded one, so no mask is needed."""

    body: Any
    head: Float32Head
    device: str

    def last_states(self, sequences: Sequence[Sequence[int]]) -> Any:
        """See `TorchModel.last_states`."""
        import torch

        ids, lengths = padded(sequences, self.device)
        hidden = self.body(input_ids=ids, use_cache=False).last_hidden_state
        return hidden[torch.arange(len(ids), device=self.device), lengths - 1]

    def all_states(self, sequences: Sequence[Sequence[int]]) -> Any:
        """See `TorchModel.all_states`. The last token, which predicts nothing, is not read."""
        import torch

        ids, lengths = padded([s[:-1] for s in sequences], self.device)
        hidden = self.body(input_ids=ids, use_cache=False).last_hidden_state
        if bool((lengths == ids.shape[1]).all()):
            return hidden.flatten(0, 1)
        real = torch.arange(ids.shape[1], device=self.device)[None] < lengths[:, None]
        return hidden[real]


@dataclass(frozen=True)
class EncoderDecoderModel:
    """An encoder that reads the prompt, and a decoder that answers it from its start token."""

    model: Any
    head: Float32Head
    device: str

    def last_states(self, sequences: Sequence[Sequence[int]]) -> Any:
        """See `TorchModel.last_states`."""
        import torch

        ids, lengths = padded(sequences, self.device)
        mask = torch.arange(ids.shape[1], device=self.device)[None] < lengths[:, None]
        read = self.model.get_encoder()(input_ids=ids, attention_mask=mask.long())
        start = torch.full((len(ids), 1), self._start, device=self.device)
        answer = self.model.get_decoder()(
            input_ids=start,
            encoder_hidden_states=read.last_hidden_state,
            encoder_attention_mask=mask.long(),
            use_cache=False,
        )
        return answer.last_hidden_state[:, 0]

    def all_states(self, sequences: Sequence[Sequence[int]]) -> Any:  # noqa: ARG002
        """Refused: the decoder of such a model was not trained to continue a text by itself."""
        raise ValueError(
            f"{type(self.model).__name__} is an encoder-decoder model: it answers questions, but "
            f"gives a text no probability of its own. Name a causal model for perplexity."
        )

    @property
    def _start(self) -> int:
        return int(self.model.config.decoder_start_token_id)


def padded(sequences: Sequence[Sequence[int]], device: str) -> tuple[Any, Any]:
    """Ids [n, longest], zeros on the right, and lengths [n], on the device."""
    import torch

    lengths = [len(s) for s in sequences]
    ids = torch.zeros(len(sequences), max(lengths), dtype=torch.long)
    for row, sequence in enumerate(sequences):
        ids[row, : lengths[row]] = torch.tensor(sequence, dtype=torch.long)
    if device.startswith("cuda"):
        ids = ids.pin_memory()
    return ids.to(device, non_blocking=True), torch.tensor(lengths, device=device)


def load(
    name: str, *, dtype: str, device: str, compiled: bool, trust_remote_code: bool
) -> tuple[TorchModel, int]:
    """A model on its device, and its context in tokens.

    Raises:
        OSError: no such model, or one whose weights are not safetensors.
        ValueError: no such device, or logits that are made in a way the head does not follow.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM

    config = AutoConfig.from_pretrained(name, trust_remote_code=trust_remote_code)
    if compiled and config.is_encoder_decoder:
        raise ValueError(f"{name} is an encoder-decoder model: 'compile' is for causal ones.")
    kind = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    raw = kind.from_pretrained(
        name,
        dtype=getattr(torch, dtype),
        trust_remote_code=trust_remote_code,
        use_safetensors=True,
    )
    try:
        raw = raw.to(device).eval()
    except (AssertionError, RuntimeError) as error:
        raise ValueError(
            f"{name} cannot be put on device {device!r}: {error}. Give another 'device', such as "
            f"cpu."
        ) from error
    head = Float32Head(raw)
    model: TorchModel
    if config.is_encoder_decoder:
        model = EncoderDecoderModel(raw, head, device)
    else:
        body = raw.get_decoder()
        model = CausalModel(torch.compile(body, dynamic=True) if compiled else body, head, device)
    check_head(raw, model, device)
    return model, context_of(config)


def context_of(config: Any) -> int:
    """The longest sequence a model was built for, in tokens; 2,048 where it does not say."""
    text = config.get_text_config()
    named = ("max_position_embeddings", "n_positions")
    return next((int(n) for key in named if (n := getattr(text, key, None))), 2048)


def check_head(raw: Any, model: TorchModel, device: str) -> None:
    """Refuse an architecture that treats its logits in a way `Float32Head` does not know.

    Raises:
        ValueError: our log-probabilities after some tokens are not those of the model.
    """
    import torch

    ids = torch.arange(2, 10, device=device)[None] % len(model.head.weight)
    asked = {"input_ids": ids, "use_cache": False}
    if raw.config.is_encoder_decoder:
        start = raw.config.decoder_start_token_id
        asked["decoder_input_ids"] = torch.tensor([[start]], device=device)
    with torch.inference_mode():
        theirs = raw(**asked).logits[:, -1].float().log_softmax(-1)
        ours = model.head.logits(model.last_states(ids.tolist())).log_softmax(-1)
    worst = (theirs - ours).abs().max().item()
    if math.isnan(worst):
        raise ValueError(
            f"{type(raw).__name__} yields numbers that are none in {raw.dtype}: it overflows. Use "
            f"bfloat16 or float32."
        )
    if worst > (1e-3 if raw.dtype == torch.float32 else 0.5):
        raise ValueError(
            f"{type(raw).__name__} changes its logits after the head in an unknown way "
            f"(off by {worst:.2g} nats): its probabilities would be wrong. Use another model."
        )
