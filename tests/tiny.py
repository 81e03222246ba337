"""Tiny real models with a tokenizer trained on the spot."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from math import log10
from pathlib import Path

TEXT = (
    "The quick brown fox jumps over the lazy dog. yes no\nyes\nno\n"
    "Does the previous paragraph demarcated within ### and ### contain informative signal? "
    "def main(argv): return {'a': 1, 'b': [2, 3]}\nÜber die Straße läuft ein Fuß.\n"
)


def make_model(path: Path, *, context: int = 256, seed: int = 0, **config: object) -> Path:
    """Write a two-layer Llama with random weights large enough to have opinions."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    vocabulary = make_tokenizer(path, template="<s> $A")
    torch.manual_seed(seed)
    settings = {
        "vocab_size": vocabulary,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": context,
        "initializer_range": 0.4,
        "bos_token_id": 0,
        "eos_token_id": 1,
        **config,
    }
    LlamaForCausalLM(LlamaConfig(**settings)).save_pretrained(path)
    return path


def make_t5(path: Path, *, tied: bool, seed: int = 0) -> Path:
    """Write a tiny T5: its tokenizer ends a text with EOS, its decoder starts with token 0."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    vocabulary = make_tokenizer(path, template="$A </s>")
    torch.manual_seed(seed)
    config = T5Config(
        vocab_size=vocabulary,
        d_model=32,
        d_kv=8,
        d_ff=64,
        num_layers=2,
        num_heads=4,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=tied,
        initializer_factor=1.0 if tied else 0.3,
        pad_token_id=0,
        eos_token_id=1,
        decoder_start_token_id=0,
    )
    T5ForConditionalGeneration(config).save_pretrained(path)
    return path


def make_bart(path: Path, *, seed: int = 0) -> Path:
    """Write a tiny BART whose final logits have a bias."""
    import torch
    from transformers import BartConfig, BartForConditionalGeneration

    vocabulary = make_tokenizer(path, template="<s> $A </s>")
    torch.manual_seed(seed)
    config = BartConfig(
        vocab_size=vocabulary,
        d_model=32,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        max_position_embeddings=300,
        init_std=0.3,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=1,
        forced_eos_token_id=1,
        decoder_start_token_id=1,
    )
    model = BartForConditionalGeneration(config)
    torch.nn.init.normal_(model.final_logits_bias)
    model.save_pretrained(path)
    return path


def make_tokenizer(path: Path, *, template: str) -> int:
    """Write a byte-level BPE tokenizer with <s> = 0 and </s> = 1; returns its size."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([TEXT] * 50, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=template, special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>"
    ).save_pretrained(path)
    return int(tokenizer.get_vocab_size())


def make_unigram(path: Path) -> Path:
    """Write a T5 tokenizer: its control tokens are pieces of the vocabulary, with score 0."""
    from transformers import T5Tokenizer

    words = sorted({word for word in TEXT.split() if word.isalpha()})
    letters = sorted({*TEXT, *"</s>pad_unkthink"} - {" ", "\n"})
    vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    vocabulary += [("▁" + word, -3.0) for word in words] + [("yes", -4.0), ("Yes", -4.0)]
    vocabulary += [(letter, -6.0) for letter in letters]
    vocabulary += [("<extra_id_1>", 0.0), ("<extra_id_0>", 0.0)]
    T5Tokenizer(vocab=vocabulary, extra_ids=2).save_pretrained(path)
    return path


def make_arpa(path: Path) -> Path:
    """Write a bigram model of `TEXT`: relative frequencies, every back-off weight 1/2."""
    words = TEXT.split()
    unigrams, bigrams = Counter(words), Counter(pairwise(words))
    n = len(words)
    lines = ["", "\\data\\", f"ngram 1={len(unigrams) + 3}", f"ngram 2={len(bigrams)}", ""]
    lines += ["\\1-grams:", "-3\t<unk>", "-99\t<s>\t-0.3", f"{-log10(n):.4f}\t</s>"]
    lines += [f"{log10(c / n):.4f}\t{word}\t-0.3" for word, c in unigrams.items()]
    lines += ["", "\\2-grams:"]
    lines += [f"{log10(c / unigrams[a] / 2):.4f}\t{a} {b}" for (a, b), c in bigrams.items()]
    path.write_text("\n".join([*lines, "", "\\end\\", ""]), encoding="utf-8")
    return path
