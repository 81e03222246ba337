"""Names on the command line and in pipeline files, and the classes they stand for.

The only place that knows them. A class is imported when it is asked for, so that listing names
costs nothing. Other packages add theirs through the entry point groups `curate.scorers`,
`curate.embedders`, `curate.backends`, `curate.samplers` and `curate.laws`.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, get_type_hints

from .errors import BackendError, ConfigError
from .model_names import check_model

BUILT_IN: dict[str, dict[str, str]] = {
    "scorers": {
        "ask-llm": "scorers.ask_llm:AskLLM",
        "rubric": "scorers.rubric:Rubric",
        "perplexity": "scorers.perplexity:Perplexity",
        "kenlm": "scorers.kenlm:KenLM",
        "token-prior": "scorers.token_prior:TokenPrior",
        "density": "scorers.density.reference:ReferenceDensity",
        "density-exact": "scorers.density.exact:ExactDensity",
        "density-race": "scorers.density.race:RaceDensity",
        "density-faiss": "scorers.density.faiss:FaissDensity",
        "semdedup": "scorers.clusters.semdedup:SemDeDup",
        "prototypes": "scorers.clusters.prototypes:Prototypes",
        "coverage": "scorers.coverage:Coverage",
    },
    "embedders": {
        "hashed-ngrams": "scorers.embedders.hashed_ngrams:HashedNGrams",
        "sentence-transformers": "scorers.embedders:SentenceTransformerEmbedder",
        "vllm": "scorers.embedders.vllm:VLLMEmbedder",
    },
    "backends": {
        "transformers": "scorers.backends.transformers:TransformersBackend",
        "vllm": "scorers.backends.vllm:VLLMBackend",
        "openai": "scorers.backends.openai:OpenAIBackend",
    },
    "samplers": {
        "top-k": "samplers.order:TopK",
        "inverse-propensity": "samplers.inverse_propensity:InversePropensity",
        "softmax": "samplers.softmax:Softmax",
        "random": "samplers.order:Random",
        "band": "samplers.band:Band",
    },
    "laws": {
        "exponential": "mixing.laws.exponential:Exponential",
        "m1": "mixing.laws.m1:M1",
        "m2": "mixing.laws.m2:M2",
        "m3": "mixing.laws.m3:M3",
        "implicit": "mixing.laws.implicit:Implicit",
        "additive": "mixing.laws.additive:Additive",
        "generalized-additive": "mixing.laws.generalized_additive:GeneralizedAdditive",
        "effective-data": "mixing.laws.effective_data:EffectiveData",
        "bimix": "mixing.laws.bimix:BiMix",
        "joint-additive": "mixing.laws.joint_additive:JointAdditive",
        "joint-additive-full": "mixing.laws.joint_mixture:JointAdditiveFull",
        "d-cpt": "mixing.laws.d_cpt:DCPT",
        "gaussian-process": "mixing.laws.gaussian_process:GaussianProcess",
        "lightgbm": "mixing.laws.lightgbm:LightGBM",
        "ensemble": "mixing.laws.ensemble:Ensemble",
        "linear": "mixing.laws.linear:Linear",
        "constant": "mixing.laws.constant:Constant",
    },
}

ALIASES: dict[str, dict[str, str]] = {"laws": {"m4": "exponential", "log-linear": "exponential"}}
"""Other published names, and the one that we list."""


def names(kind: str) -> list[str]:
    """All names of a kind, built-in ones first."""
    return [*BUILT_IN[kind], *added(kind)]


def added(kind: str) -> dict[str, str]:
    """Names of a kind that other packages add, and which package each comes from."""
    found = {
        point.name: point.dist.name if point.dist else "?"
        for point in entry_points(group=f"curate.{kind}")
    }
    return {name: package for name, package in found.items() if name not in BUILT_IN[kind]}


def find(kind: str, name: str) -> Any:
    """The class a name stands for.

    Raises:
        ConfigError: no such name, and which one may have been meant; or the package that adds it
            does not give it.
    """
    name = ALIASES.get(kind, {}).get(name, name)
    if name in BUILT_IN[kind]:
        module, _, attribute = BUILT_IN[kind][name].partition(":")
        return getattr(importlib.import_module(module), attribute)
    for point in entry_points(group=f"curate.{kind}", name=name):
        try:
            return point.load()
        except Exception as error:  # whatever happens on import of somebody else's module
            package = added(kind).get(name, "?")
            raise ConfigError(
                f"{name!r} of the package {package} cannot be loaded from {point.value!r}: "
                f"{type(error).__name__}: {error}. Mend that package, or uninstall it."
            ) from error
    known = [*names(kind), *ALIASES.get(kind, {})]
    raise ConfigError(f"{name!r} is none of the {kind}. {did_you_mean(name, known)}")


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


def resolve_prompt(prompt: str) -> str:
    """A prompt by name, from a file, or as it stands where it holds the slot.

    Raises:
        ConfigError: neither.
    """
    from scorers.prompts import PROMPTS, SLOT

    if prompt in PROMPTS:
        return PROMPTS[prompt]
    if SLOT in prompt:
        return prompt
    try:
        return Path(prompt).read_text(encoding="utf-8-sig")  # some editors begin with a mark
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{prompt!r} is neither a prompt nor a file with one. {did_you_mean(prompt, PROMPTS)}"
        ) from error


def resolve_target(directory: str) -> Any:
    """The vectors of a directory of embedding tables.

    Raises:
        ConfigError: no embedding tables there.
    """
    from .embeddings import EmbeddingTables

    return EmbeddingTables.open(directory).vectors()


_RESOLVE: dict[str, Callable[[str], Any]] = {
    "model": resolve_model,
    "tokenizer": resolve_model,
    "prompt": resolve_prompt,
    "target": resolve_target,
}


_SHARED = ("model", "trust_remote_code")
"""Options that a scorer and its backend both read; any other name is one's or the other's."""


def make_scorer(name: str, **options: Any) -> Any:
    """A scorer from plain options, among them those of its backend, where it has one.

    ``backend`` is a name; ``engine_args`` holds further options of the backend, by name, and what
    a backend with ``engine_args`` of its own does not know is handed on to the engine.

    Raises:
        ConfigError: no such scorer, an option it does not have, or one out of range.
    """
    scorer = find("scorers", name)
    options = {key: value for key, value in options.items() if value is not None}
    wanted = next((options[key] for key in ("tokenizer", "model") if key in options), None)

    def build() -> Any:
        resolved = {k: _RESOLVE[k](v) if k in _RESOLVE else v for k, v in options.items()}
        return scorer(**_with_backend(name, scorer, resolved))

    if "backend" in _options(scorer) or "tokenizer" in options:
        check_model(name, wanted)
    return _made(name, build, wanted)


@dataclass(frozen=True)
class Recipe:
    """A scorer that is not made yet: what `make_scorer` is to be given, where it is to be used.

    Attributes:
        name: as registered.
        options: of the scorer and its backend.
    """

    name: str
    options: dict[str, Any]

    @property
    def is_fitted(self) -> bool:
        """Whether the scorer must see the corpus before it scores."""
        return hasattr(find("scorers", self.name), "fit")

    def make(self) -> Any:
        """The scorer."""
        return make_scorer(self.name, **self.options)


def make_point_scorer(name: str, seed: int | None = None, **options: Any) -> tuple[Any, int]:
    """What `make_scorer` makes, and the seed of the sample that it is calibrated on.

    A scorer with a random choice of its own has a ``seed``, which is that of the sample, too.
    """
    own = "seed" in _options(find("scorers", name))
    made = make_scorer(name, **options, **({"seed": seed} if own else {}))
    return made, seed or 0


def make_embedder(
    embedder: str = "hashed-ngrams", backend: str | None = None, **options: Any
) -> Any:
    """An embedder from plain options.

    Args:
        embedder: the name of one that needs no model, or a model: directory or hub name.
        backend: the name of the embedder that runs the model; None: sentence-transformers.
        options: of the embedder; what one with ``engine_args`` does not know is handed on to
            the engine.

    Raises:
        ConfigError: no such embedder, an option it does not have, or one out of range.
    """
    by_name = backend is None and embedder in names("embedders")
    name = embedder if by_name else backend or "sentence-transformers"
    cls = find("embedders", name)
    known = _options(cls)
    given = {key: value for key, value in options.items() if value is not None}
    if not by_name:
        if "model" not in known:
            raise ConfigError(f"{name} runs no model: leave out {embedder!r}.")
        check_model(name, embedder)
        given["model"] = resolve_model(embedder)
    if "engine_args" in known:
        handed_on = {key: given.pop(key) for key in list(given) if key not in known}
        given["engine_args"] = {**given.get("engine_args", {}), **handed_on}
    _check(name, given, known)
    near = difflib.get_close_matches(embedder, names("embedders"), n=1)
    hint = f"Did you mean {near[0]!r}? " if near and not by_name else ""
    return _made(name, lambda: cls(**given), given.get("model"), hint)


def reads_points(name: str) -> bool:
    """Whether a scorer reads embeddings, in place of texts."""
    return hasattr(find("scorers", name), "calibrate")


def measured_by(name: str) -> Any:
    """The class that has a scorer's ``column`` and direction.

    It is the scorer's own, or what its fit or its calibration is annotated to become.
    """
    cls = find("scorers", name)
    for step in ("calibrate", "merge"):
        if not hasattr(cls, "column") and hasattr(cls, step):
            cls = get_type_hints(getattr(cls, step)).get("return", cls)
    return cls


def _made(name: str, build: Callable[[], Any], wanted: Any, hint: str = "") -> Any:
    try:
        made = build()
        made.config()  # loads what decides the numbers, so that a wrong name is known at once
    except (TypeError, ValueError, ModuleNotFoundError) as error:
        raise ConfigError(f"{name}: {error}") from error
    except RuntimeError as error:
        raise BackendError(f"{name}: {error}") from error
    except OSError as error:
        raise ConfigError(
            f"{name}: the model {wanted!r} cannot be loaded. {hint}Wanted a directory with "
            f"config.json, safetensors and a tokenizer, or a hub name. {error}"
        ) from error
    return made


def _with_backend(name: str, scorer: Any, options: dict[str, Any]) -> dict[str, Any]:
    """The scorer's own options, checked, with a backend made of the others where it takes one."""
    known = _options(scorer)
    if "backend" not in known:
        _check(name, options, known)
        return options
    backend_name = options.get("backend", "transformers")
    backend = find("backends", backend_name)
    theirs = _options(backend)
    mine = {k: v for k, v in options.items() if k in known and k != "backend"}
    others = {k: v for k, v in options.items() if k not in known and k != "engine_args"}
    others |= {k: mine[k] for k in _SHARED if k in mine and k in theirs}
    engine_args = options.get("engine_args", {})
    by_name = isinstance(engine_args, Mapping) and all(isinstance(k, str) for k in engine_args)
    if not by_name:
        raise ConfigError(
            f"'engine_args' of {name} must hold options by name, such as "
            f"{{max_model_len: 4096}}. Got {engine_args!r}."
        )
    _check(name, mine, known)
    where = f"{name} on {backend_name}"
    if "engine_args" in theirs:
        handed_on = {k: v for k, v in engine_args.items() if k not in theirs}
        others |= {"engine_args": handed_on} if handed_on else {}
    else:
        _check_known(where, engine_args, theirs)
    others |= {k: v for k, v in engine_args.items() if k in theirs}
    _check(where, others, theirs, also=known)
    return {**mine, "backend": backend(**others)}


def _options(cls: Any) -> dict[str, bool]:
    """Options of a class, and whether each must be given."""
    if not dataclasses.is_dataclass(cls):
        return {
            parameter.name: parameter.default is parameter.empty
            for parameter in inspect.signature(cls).parameters.values()
        }
    nothing = dataclasses.MISSING
    return {
        field.name: field.default is nothing and field.default_factory is nothing
        for field in dataclasses.fields(cls)
    }


def _check(
    name: str, given: Iterable[str], known: dict[str, bool], also: Iterable[str] = ()
) -> None:
    given = set(given)
    _check_known(name, given, known, also)
    for option, needed in known.items():
        if needed and option not in given:
            flag = f"--{option.replace('_', '-')}"
            raise ConfigError(f"{name} needs the option {option!r} ({flag}).")


def _check_known(
    name: str, given: Iterable[str], known: Iterable[str], also: Iterable[str] = ()
) -> None:
    known = list(known)
    for option in sorted(set(given) - set(known)):
        hint = did_you_mean(option, [*known, *(o for o in also if o not in known)])
        raise ConfigError(f"{name} has no option {option!r}. {hint}")
