"""Models as people name them: mistakes that are known before anything is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .errors import ConfigError


def check_model(name: str, wanted: Any) -> None:
    """Whether what names a model is no file, no empty directory and no directory that is not there.

    Args:
        name: of what asks for it.
        wanted: as the command line names it.

    Raises:
        ConfigError: it is.
    """
    if not isinstance(wanted, str) or wanted == "demo":
        return
    path, found = Path(wanted), None
    if path.is_file():
        found = "is a file"
    elif path.is_dir():
        patterns = ("*config.json", "tokenizer*", "modules.json")
        if not any(any(path.glob(pattern)) for pattern in patterns):
            found = "is a directory with no model in it"
    elif wanted.startswith((".", "/", "~")) or wanted.count("/") > 1:
        found = "is not there"
    if found is not None:
        raise ConfigError(
            f"{name}: {wanted} {found}. Wanted a directory with config.json, safetensors and a "
            f"tokenizer, a hub name, or demo."
        )
