"""Proxies: small models trained on designed mixtures. Only this part of `mixing` needs torch."""

from .spec import SIZES, Member, ProxySpec
from .stack import Stack, StackResult, stack_size
from .stream import MixtureStreams

__all__ = [
    "SIZES",
    "Member",
    "MixtureStreams",
    "ProxySpec",
    "Stack",
    "StackResult",
    "stack_size",
]
