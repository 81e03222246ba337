"""Engines: run one function over many shards, in this process or on a cluster."""
