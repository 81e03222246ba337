"""A proxy as a model of transformers: to score text with it, or to check it."""

from __future__ import annotations

from typing import Any

from .llama import EPSILON, THETA
from .spec import FEED_FORWARD, ProxySpec


def as_llama(spec: ProxySpec, parameters: dict[str, Any]) -> Any:
    """A `transformers.LlamaForCausalLM` with the parameters of one member.

    Args:
        spec: its shape.
        parameters: by name, without the axis of members; matrices are [in, out].
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=spec.n_vocabulary,
        hidden_size=spec.hidden,
        intermediate_size=FEED_FORWARD * spec.hidden,
        num_hidden_layers=spec.layers,
        num_attention_heads=spec.heads,
        num_key_value_heads=spec.heads,
        max_position_embeddings=spec.length,
        rms_norm_eps=EPSILON,
        rope_theta=THETA,
        tie_word_embeddings=True,
    )
    named = {
        "model.embed_tokens.weight": parameters["embedding"],
        "lm_head.weight": parameters["embedding"],
        "model.norm.weight": parameters["norm"],
    }
    for layer in range(spec.layers):
        own = {n.split(".")[1]: t for n, t in parameters.items() if n.startswith(f"{layer}.")}
        query, key, value = own["qkv"].T.chunk(3)
        gate, up = own["gate_up"].T.chunk(2)
        matrices = {
            "self_attn.q_proj": query,
            "self_attn.k_proj": key,
            "self_attn.v_proj": value,
            "self_attn.o_proj": own["out"].T,
            "mlp.gate_proj": gate,
            "mlp.up_proj": up,
            "mlp.down_proj": own["down"].T,
            "input_layernorm": own["attention_norm"],
            "post_attention_layernorm": own["feed_forward_norm"],
        }
        named |= {f"model.layers.{layer}.{n}.weight": t for n, t in matrices.items()}
    with torch.random.fork_rng():
        model = LlamaForCausalLM(config)
    model.load_state_dict({n: t.detach().cpu().float().contiguous() for n, t in named.items()})
    return model.eval()
