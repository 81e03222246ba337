"""Names on the command line and in pipeline files, and the classes they stand for.

The only place that knows them. A class is imported when it is asked for, so that listing names
costs nothing. Other packages add theirs through the entry point groups `curate.scorers`,
`curate.samplers` and `curate.laws`.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable
from importlib.metadata import entry_points
from typing import Any

from .errors import ConfigError

BUILT_IN: dict[str, dict[str, str]] = {
    "scorers": {
        "ask-llm": "scorers.ask_llm:AskLLM",
        "perplexity": "scorers.perplexity:Perplexity",
        "density": "scorers.density:ReferenceDensity",
    },
    "samplers": {
        "top-k": "samplers.order:TopK",
        "inverse-propensity": "samplers.order:InversePropensity",
        "random": "samplers.order:Random",
    },
    "laws": {
        "exponential": "mixing.laws.exponential:Exponential",
        "additive": "mixing.laws.additive:Additive",
        "linear": "mixing.laws.baselines:Linear",
        "constant": "mixing.laws.baselines:Constant",
    },
}


def names(kind: str) -> list[str]:
    """All names of a kind, built-in ones first."""
    added = (point.name for point in entry_points(group=f"curate.{kind}"))
    return list(dict.fromkeys([*BUILT_IN[kind], *added]))


def find(kind: str, name: str) -> Any:
    """The class a name stands for.

    Raises:
        ConfigError: no such name; says which one may have been meant.
    """
    if name in BUILT_IN[kind]:
        module, _, attribute = BUILT_IN[kind][name].partition(":")
        return getattr(importlib.import_module(module), attribute)
    for point in entry_points(group=f"curate.{kind}", name=name):
        return point.load()
    raise ConfigError(f"{name!r} is none of the {kind}. {did_you_mean(name, names(kind))}")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The nearest known name, or all of them."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean {near[0]!r}?" if near else f"There is {', '.join(known)}."


def resolve_model(name: str) -> str:
    """A model as the command line names it: "demo" is the toy that ships with curate."""
    if name == "demo":
        from .demo import MODEL_PATH

        return str(MODEL_PATH)
    return name


def make_scorer(name: str, **options: Any) -> Any:
    """A scorer from plain options; ``embedder`` is the name of a sentence-transformers model.

    Raises:
        ConfigError: no such scorer, an option it does not have, or one out of range.
    """
    scorer = find("scorers", name)
    options = {key: value for key, value in options.items() if value is not None}
    if "model" in options:
        options["model"] = resolve_model(options["model"])
    if "embedder" in options:
        from scorers.embedders import SentenceTransformerEmbedder

        options["embedder"] = SentenceTransformerEmbedder(model=options["embedder"])
    known = getattr(scorer, "__dataclass_fields__", options)
    for option in options:
        if option not in known:
            raise ConfigError(f"{name} has no option {option!r}. {did_you_mean(option, known)}")
    try:
        made = scorer(**options)
        made.config()  # loads what decides the scores, so that a wrong name is known at once
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{name}: {error}") from error
    except (OSError, ModuleNotFoundError) as error:
        wanted = options.get("model") or options.get("embedder")
        raise ConfigError(
            f"{name}: the model {wanted!r} cannot be loaded. Wanted a directory with config.json, "
            f"safetensors and a tokenizer, or a hub name. {error}"
        ) from error
    return made
