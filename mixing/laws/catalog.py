"""Every law by its published name, and specifications as plain values."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Mapping
from typing import Any

from .base import Law

LAWS: dict[str, str] = {
    "constant": "constant:Constant",
    "linear": "linear:Linear",
    "exponential": "exponential:Exponential",
    "m1": "m1:M1",
    "m2": "m2:M2",
    "m3": "m3:M3",
    "implicit": "implicit:Implicit",
    "additive": "additive:Additive",
    "generalized-additive": "generalized_additive:GeneralizedAdditive",
    "effective-data": "effective_data:EffectiveData",
    "bimix": "bimix:BiMix",
    "joint-additive": "joint_additive:JointAdditive",
    "joint-additive-full": "joint_mixture:JointAdditiveFull",
    "d-cpt": "d_cpt:DCPT",
    "gaussian-process": "gaussian_process:GaussianProcess",
    "lightgbm": "lightgbm:LightGBM",
    "ensemble": "ensemble:Ensemble",
}
"""Where each law lives in this package; a law is imported when it is asked for."""


def find_law(name: str) -> type[Law]:
    """The class of a law, by its published name.

    Raises:
        ValueError: for a name that this package does not have.
    """
    if name not in LAWS:
        raise ValueError(f"'law' must be one of {sorted(LAWS)}. Got {name!r}.")
    module, _, attribute = LAWS[name].partition(":")
    law: type[Law] = getattr(importlib.import_module(f"{__package__}.{module}"), attribute)
    return law


def describe_spec(law: Law) -> dict[str, Any]:
    """A law's name and options, as plain JSON values; members of an ensemble likewise."""
    spec = {f.name: _plain(getattr(law, f.name)) for f in dataclasses.fields(law)}  # type: ignore[arg-type]
    return {"law": law.name, "spec": spec}


def restore_spec(data: Mapping[str, Any], find: Callable[[str], type[Law]] = find_law) -> Law:
    """The law that `describe_spec` described, its class as ``find`` gives it for its name.

    Raises:
        ValueError: for the name of a law that this package does not have.
    """
    spec = {name: _rich(value, find) for name, value in data["spec"].items()}
    return find(data["law"])(**spec)


def _plain(value: Any) -> Any:
    if isinstance(value, Law):
        return describe_spec(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _rich(value: Any, find: Callable[[str], type[Law]]) -> Any:
    if isinstance(value, Mapping):
        return restore_spec(value, find)
    if isinstance(value, list):
        return tuple(_rich(item, find) for item in value)
    return value
