"""The toy's tokenizer and its untrained network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scorers.prompts import ASK_LLM

BOS, EOS = "<|bos|>", "<|eos|>"
CONTEXT = 1024  # tokens
# Words, single digits, signs, line breaks, spaces: digits one by one, since a tiny vocabulary has
# better uses than numbers, and a table of figures then looks like one.
_SPLIT = r" ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s*[\r\n]+|\s+(?!\S)|\s+"


def make_tokenizer(texts: Sequence[str], directory: Path, *, n_tokens: int = 2048) -> None:
    """Train a byte-level BPE tokenizer and save it.

    The prompt is repeated among the texts, so that it is short in tokens and each of its answers
    is one.
    """
    from tokenizers import Regex, decoders, models, pre_tokenizers, processors, trainers
    from tokenizers import Tokenizer as Bpe
    from transformers import PreTrainedTokenizerFast

    bpe = Bpe(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    n_prompts = max(50, sum(map(len, texts)) // 5000)
    trainer = trainers.BpeTrainer(
        vocab_size=n_tokens,
        special_tokens=[BOS, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator([*texts, *([ASK_LLM + "yes\nno\n"] * n_prompts)], trainer)
    bpe.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A",
        pair=f"{BOS} $A {BOS} $B",
        special_tokens=[(BOS, bpe.token_to_id(BOS))],
    )
    PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=EOS,
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    ).save_pretrained(directory)


def make_network(*, n_tokens: int, bos: int, eos: int) -> Any:
    """A Llama of about a million parameters, with random weights in float32."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=n_tokens,
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=4,
        num_attention_heads=4,  # of 32 dimensions: the least that fast attention kernels take
        num_key_value_heads=4,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=bos,
        eos_token_id=eos,
        pad_token_id=eos,
        initializer_range=0.05,
    )
    return LlamaForCausalLM(config)


def load_network(directory: Path) -> Any:
    """The network that `save_network` wrote, in float32."""
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)


def save_network(network: Any, directory: Path) -> None:
    """Write the weights as float16 and a configuration that asks for float32 arithmetic.

    The files say nothing of the machine they were made on.
    """
    import torch

    network.config.name_or_path = ""
    network.half().save_pretrained(directory)
    network.float()
    (directory / "model.safetensors").chmod(0o644)  # else for its owner alone
    config = directory / "config.json"
    # float16 is how it is stored; the arithmetic of a model this small can well be float32.
    config.write_text(config.read_text().replace('"float16"', f'"{str(torch.float32)[6:]}"'))
