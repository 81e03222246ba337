"""Proxies: small models trained on designed mixtures. Only this part of `mixing` needs torch."""

from .stream import MixtureStream
from .train import ProxyResult, ProxySpec, train_proxy

__all__ = ["MixtureStream", "ProxyResult", "ProxySpec", "train_proxy"]
