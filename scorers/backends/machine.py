"""What a model is and runs on, for people: no part of any configuration."""

from __future__ import annotations

import json
import math
from functools import lru_cache
from pathlib import Path


def device_name(device: str) -> str:
    """A device of PyTorch with the name of what it is: "cpu", "cuda (NVIDIA H200)"."""
    if not device.startswith("cuda"):
        return device
    import torch

    return f"{device} ({torch.cuda.get_device_name(device)})"


@lru_cache
def n_parameters(model: str) -> int | None:
    """Numbers in a model's safetensors, told by the heads of the files alone.

    Args:
        model: directory, or hub name of one that is in the cache.

    Returns:
        None where there is no such file.
    """
    directory = Path(model)
    if not directory.exists():
        from transformers.utils.hub import cached_file

        try:
            directory = Path(cached_file(model, "config.json") or model).parent
        except OSError:
            return None
    found = [_numbers(path) for path in sorted(directory.glob("model*.safetensors"))]
    return sum(found) if found else None


def _numbers(path: Path) -> int:
    with path.open("rb") as file:
        head = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return sum(math.prod(told["shape"]) for name, told in head.items() if name != "__metadata__")
