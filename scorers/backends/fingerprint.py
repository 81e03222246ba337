"""Which weights, exactly: a name that changes when a model's files do."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

import xxhash

_DECIDES = (".safetensors", ".bin", ".json", ".model", ".txt", ".jinja", ".py", ".tiktoken")
_COMMIT = re.compile(r"/snapshots/([0-9a-f]{40})/")


@lru_cache
def fingerprint(model: str) -> str:
    """``xxh3:<hash>`` of a local file or directory, ``<name>@<commit>`` of a hub model.

    A hub name without a cached commit stands for itself.
    """
    path = Path(model)
    if not path.exists():
        from transformers.utils.hub import cached_file

        found = _COMMIT.search(cached_file(model, "config.json") or "")
        return f"{model}@{found[1]}" if found else model
    digest = xxhash.xxh3_128()
    files = sorted(p for p in path.iterdir() if p.suffix in _DECIDES) if path.is_dir() else [path]
    for file in files:
        if path.is_dir():
            digest.update(f"{file.name}:{file.stat().st_size}\n".encode())
        with file.open("rb") as stream:
            while chunk := stream.read(1 << 22):
                digest.update(chunk)
    return f"xxh3:{digest.hexdigest()}"
