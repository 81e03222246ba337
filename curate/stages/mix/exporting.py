"""A mixture in the form that training code reads."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import ConfigError
from ...files import read_json, whole
from .files import load_mixture, load_phases

DIGITS = 6
"""Decimal places of an exported weight."""

_ROUNDING = 0.01
_SUFFIXES = {
    "megatron": ".txt",
    "datasets": ".py",
    "olmo": ".yaml",
    "json": ".json",
    "yaml": ".yaml",
}


def export(
    mixture: str | Path,
    format: str,
    out: str | Path | None = None,
    *,
    paths: Mapping[str, list[str]] | None = None,
) -> str:
    """The weights of a mixture as another program reads them.

    Weights have `DIGITS` decimal places and sum to one exactly as written. Domains whose weight
    is zero are left out: Megatron-LM refuses them, and `interleave_datasets` would wait for ever
    for such a dataset to end.

    A schedule of several phases is as many mixtures: programs read one each, and are started
    again, or handed the next, where a phase ends. Each becomes a file phase-1, phase-2 … in the
    directory ``out``.

    Args:
        mixture: file of `optimize` or `schedule`, or any JSON object of shares.
        format: one of `FORMATS`.
        out: file to write, if any; a directory for a schedule of several phases.
        paths: files of each domain: Megatron-LM's prefix, OLMo-core's arrays, the directory or
            hub name of a Hugging Face dataset.

    Returns:
        What was written, or would be; each phase of several below a line that says when it ends.

    Raises:
        ConfigError: no mixture there, no such format, or a path for a domain it does not have.
    """
    if format not in FORMATS:
        raise ConfigError(f"'format' of export must be one of {[*FORMATS]}. Got {format!r}.")
    phases = load_phases(mixture)
    names = list(load_mixture(mixture))
    given = dict(paths or {})
    unknown = [name for name in given if name not in names]
    if unknown:
        raise ConfigError(f"{mixture} has no domain {unknown[0]!r}. It has {', '.join(names)}.")
    stored = read_json(Path(mixture))
    texts = []
    for number, (_, shares) in enumerate(phases, 1):
        about = f"{mixture}, phase {number}" if len(phases) > 1 else str(mixture)
        kept = {name: weight for name, weight in exact(shares, about).items() if weight}
        texts.append(FORMATS[format](kept, given, stored))
    if out is not None:
        _write(Path(out), texts, format)
    if len(texts) == 1:
        return texts[0]
    return "\n".join(
        f"# phase {number} of {len(texts)}, to {until:.6g} of training\n{text}"
        for number, ((until, _), text) in enumerate(zip(phases, texts, strict=True), 1)
    )


def _write(out: Path, texts: Sequence[str], format: str) -> None:
    """One text as the file ``out``, several as files in the directory ``out``.

    Raises:
        ConfigError: a directory where the file should be, or the converse.
    """
    several = len(texts) > 1
    if out.exists() and out.is_dir() != several:
        wanted = "a directory for its phases" if several else "a file"
        raise ConfigError(f"{out}: wanted {wanted}, and something else is there. Move it away.")
    names = [f"phase-{number}{_SUFFIXES[format]}" for number in range(1, len(texts) + 1)]
    files = [out / name for name in names] if several else [out]
    for file, text in zip(files, texts, strict=True):
        with whole(file) as temporary:
            temporary.write_text(text, encoding="utf-8")


def exact(shares: Mapping[str, float], about: str) -> dict[str, Decimal]:
    """Shares as decimals of `DIGITS` places that sum to one: by largest remainder.

    Raises:
        ConfigError: negative shares, or a sum that misses one by more than 1 %.
    """
    values = np.array(list(shares.values()), np.float64)
    if not len(values) or (values < 0).any() or abs(values.sum() - 1) > _ROUNDING:
        raise ConfigError(
            f"{about}: wanted shares >= 0 that sum to one within {_ROUNDING:.0%}. Found a sum of "
            f"{values.sum():.6g} and a least share of {values.min(initial=0):.6g}."
        )
    units = 10**DIGITS
    wanted = values / values.sum() * units
    counts = np.floor(wanted).astype(np.int64)
    order = np.argsort(counts - wanted, kind="stable")
    counts[order[: units - int(counts.sum())]] += 1
    return {
        name: Decimal(int(count)).scaleb(-DIGITS)
        for name, count in zip(shares, counts, strict=True)
    }


_Shares = Mapping[str, Decimal]
_Paths = Mapping[str, list[str]]


def _megatron(shares: _Shares, paths: _Paths, stored: Any) -> str:  # noqa: ARG001
    """Pairs of weight and prefix: what --data-path takes, and --data-args-path reads."""
    lines = []
    for name, share in shares.items():
        prefixes = paths.get(name, [name])
        if len(prefixes) > 1:
            raise ConfigError(
                f"Megatron-LM takes one prefix for each weight, and {name} has {len(prefixes)}. "
                "Merge its files first (tools/merge_datasets.py)."
            )
        if any(character.isspace() for character in prefixes[0]):
            raise ConfigError(
                f"Megatron-LM separates prefixes by blanks, and {prefixes[0]!r} holds one. Give "
                f"--path {name}=PREFIX without."
            )
        lines.append(f"{share:f} {prefixes[0]}\n")
    return "".join(lines)


def _datasets(shares: _Shares, paths: _Paths, stored: Any) -> str:  # noqa: ARG001
    """Python: `interleave_datasets` draws examples, so shares of tokens need equal lengths."""
    names = "".join(
        f"    load_dataset({', '.join(map(repr, paths.get(name, [name])))}, "
        f'split="train", streaming=True),\n'
        for name in shares
    )
    weights = "".join(f"    {share:f},  # {name!r}\n" for name, share in shares.items())
    return (
        "from datasets import interleave_datasets, load_dataset\n\n"
        "# Probabilities are of examples. They are shares of tokens where all examples have the\n"
        "# same length: pack each dataset into sequences first.\n"
        f"datasets = [\n{names}]\n"
        f"probabilities = [\n{weights}]\n"
        "mixed = interleave_datasets(\n"
        "    datasets,\n    probabilities=probabilities,\n    seed=0,\n"
        '    stopping_strategy="all_exhausted",\n)\n'
    )


def _olmo(shares: _Shares, paths: _Paths, stored: Any) -> str:
    """OLMo-core's SourceMixtureList; a source may repeat as often as the mixture was made for."""
    missing = [name for name in shares if name not in paths]
    if missing:
        raise ConfigError(
            f"OLMo-core refuses a source without paths: give --path {missing[0]}=FILES, a glob or "
            f"several. Missing: {', '.join(missing)}."
        )
    epochs = stored.get("max_epochs") if isinstance(stored.get("mixture"), dict) else None
    lines = ["sources:\n"]
    for name, share in shares.items():
        lines += [
            f"  - source_name: {_quoted(name)}\n",
            f"    target_ratio: {share:f}\n",
            f"    paths: [{', '.join(map(_quoted, paths[name]))}]\n",
        ]
        if epochs is not None:
            lines.append(f"    max_repetition_ratio: {max(1.0, float(epochs))}\n")
    return "".join(lines)


def _json(shares: _Shares, paths: _Paths, stored: Any) -> str:  # noqa: ARG001
    lines = ",\n".join(f"  {_quoted(name)}: {share:f}" for name, share in shares.items())
    return f"{{\n{lines}\n}}\n"


def _yaml(shares: _Shares, paths: _Paths, stored: Any) -> str:  # noqa: ARG001
    return "".join(f"{_quoted(name)}: {share:f}\n" for name, share in shares.items())


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # a JSON string is one in YAML, too


FORMATS: dict[str, Callable[[_Shares, _Paths, Any], str]] = {
    "megatron": _megatron,
    "datasets": _datasets,
    "olmo": _olmo,
    "json": _json,
    "yaml": _yaml,
}
