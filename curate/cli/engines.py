"""Options that say where the work is done."""

from __future__ import annotations

import functools
from typing import Any

import click

from ..engines import Engine, Local
from ..errors import ConfigError
from .options import Command, several


def runs_on(workers: int | None) -> Command:
    """Options of the engine, handed on as ``engine``.

    Args:
        workers: processes on this machine, unless told otherwise; None: the verb works in one.
    """
    default = "" if workers is None else f"  [default: {workers}; with ray, all there is room for]"
    what = "Processes" if workers is not None else "Most processes of ray"

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def wrapped(
            engine: str,
            ray_address: str | None,
            workers: int | None,
            worker_cpus: float | None,
            worker_gpus: float | None,
            **rest: Any,
        ) -> Any:
            given = {"cpus": worker_cpus, "gpus": worker_gpus}
            made = _made(engine, ray_address, workers, given, on_this_machine)
            return command(engine=made, **rest)

        return several(
            click.option(
                "--engine",
                default="local",
                show_default=True,
                type=click.Choice(["local", "ray"]),
                help="This machine, or a Ray cluster; the bytes written are the same.",
            ),
            click.option(
                "--ray-address", help="Of the cluster, or auto.  [default: one on this machine]"
            ),
            click.option("--workers", type=click.IntRange(1), help=f"{what}.{default}"),
            click.option("--worker-cpus", type=float, help="Of each, with ray.  [default: 1]"),
            click.option(
                "--worker-gpus",
                type=float,
                help="Of each that holds a model, with ray.  [default: 1, where there are any]",
            ),
        )(wrapped)

    on_this_machine = workers
    return decorate


def _made(
    engine: str,
    address: str | None,
    workers: int | None,
    given: dict[str, float | None],
    on_this_machine: int | None,
) -> Engine:
    told: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    if engine == "ray":
        from ..engines.ray import Ray

        return Ray(address=address, most_workers=workers, **told)
    if address is not None or told:
        raise ConfigError(
            "--ray-address, --worker-cpus and --worker-gpus go with --engine ray. Add it, or "
            "leave them out."
        )
    if on_this_machine is None and (workers or 1) > 1:
        raise ConfigError(
            "On this machine the model works in one process. Leave --workers out, or give "
            "--engine ray, which makes a process for each worker."
        )
    return Local(workers or on_this_machine or 1)
