"""Proxies: small models trained on designed mixtures. The only part of `mixing` that needs torch."""

from .stream import MixtureStream
from .train import ProxyResult, ProxySpec, train_proxy

__all__ = ["MixtureStream", "ProxyResult", "ProxySpec", "train_proxy"]
