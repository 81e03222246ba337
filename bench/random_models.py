"""Models with random weights in the shapes of real ones, with a tokenizer trained on the spot."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A Llama-like causal model.

    Attributes:
        hidden, layers, heads, kv_heads, intermediate, vocabulary: its sizes.
        tied: whether the head is the input embedding.
        context: longest sequence, in tokens.
        dtype: of the stored weights.
    """

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    intermediate: int
    vocabulary: int
    tied: bool
    context: int
    dtype: str = "float32"

    @property
    def n_linear(self) -> int:
        """Weights of the body that every token is multiplied with."""
        attention = self.hidden**2 * 2 * (1 + self.kv_heads / self.heads)
        return int(self.layers * (attention + 3 * self.hidden * self.intermediate))

    def flop(self, lengths: Iterable[int], *, head_on_every_token: bool) -> float:
        """Floating-point operations of one causal forward pass over sequences.

        2 per weight and token, 2 · layers · hidden · length per token for causal attention (half
        of the products), 2 · hidden · vocabulary for each row of the head.
        """
        total = 0.0
        for n in lengths:
            total += n * (2.0 * self.n_linear + 2.0 * self.layers * self.hidden * n)
            total += 2.0 * self.hidden * self.vocabulary * (n if head_on_every_token else 1)
        return total


SHAPES = {
    "tiny": Shape(
        hidden=256,
        layers=4,
        heads=4,
        kv_heads=2,
        intermediate=768,
        vocabulary=8192,
        tied=True,
        context=2048,
    ),
    "qwen2.5-0.5b": Shape(
        hidden=896,
        layers=24,
        heads=14,
        kv_heads=2,
        intermediate=4864,
        vocabulary=151_936,
        tied=True,
        context=32_768,
        dtype="bfloat16",
    ),
    "qwen2.5-7b": Shape(
        hidden=3584,
        layers=28,
        heads=28,
        kv_heads=4,
        intermediate=18_944,
        vocabulary=152_064,
        tied=False,
        context=32_768,
        dtype="bfloat16",
    ),
}


def make_model(path: Path, shape: Shape, texts: Iterable[str], *, device: str = "cpu") -> Path:
    """Write a model of this shape, and a byte-level BPE tokenizer trained on texts.

    The tokenizer has at most 8,192 tokens, and so knows only the first rows of a larger
    vocabulary; the cost of a row does not depend on which it is.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=min(shape.vocabulary, 8192),
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([*texts, *["yes no\nyes\nno\n"] * 1000], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", 0)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>"
    ).save_pretrained(path)
    config = LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        max_position_embeddings=shape.context,
        tie_word_embeddings=shape.tied,
        initializer_range=shape.hidden**-0.5,
        bos_token_id=0,
        eos_token_id=1,
    )
    torch.manual_seed(0)
    with torch.device(device):
        model = LlamaForCausalLM(config).to(getattr(torch, shape.dtype))
    model.save_pretrained(path)
    return path
