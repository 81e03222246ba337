"""A Ray cluster, or one that is started on this machine: work as a Ray Data stream.

Ray schedules, holds back what would overflow its memory, and runs again what was on a worker that
died. Errors of the work itself are no deaths: they travel as results, and are raised here.

What travels between the processes of one run is pickled, as Ray does it. Nothing that was read
from a file is ever unpickled.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from .. import interrupts
from ..errors import BackendError, ConfigError
from .base import Item, Result

_RETRIES = 3
"""How often a piece of work is given to another worker when one died at it."""
_FAN_IN = 8
"""Results that are merged at a time, where they may be."""


@dataclass(frozen=True, kw_only=True)
class Ray:
    """See `curate.engines.base.Engine`.

    Attributes:
        address: of the cluster, as `ray.init` takes it ("auto", "ray://head:10001"); None: start
            one on this machine.
        gpus: of each worker that holds a model. None: one, where the cluster has any.
        cpus: of each worker. The libraries beneath use as many threads.
        most_workers: side by side; None: as many as there is room for.
        piece_bytes: of a shard's file, about how much a worker is given at a time, so that one
            large file does not hold up the others.
    """

    address: str | None = None
    gpus: float | None = None
    cpus: float = 1.0
    most_workers: int | None = None
    piece_bytes: int = 256 * 2**20

    def __post_init__(self) -> None:
        if self.cpus <= 0 or (self.gpus is not None and self.gpus < 0):
            raise ConfigError(
                f"A worker needs CPUs, and at least 0 GPUs. Got {self.cpus:g} and {self.gpus}."
            )
        for name in ("most_workers", "piece_bytes"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name!r} of Ray must be at least 1. Got {value}.")

    @property
    def workers(self) -> int:
        """Four shares for each worker, so that a slow one is not waited for long."""
        return 4 * self._n_workers(0.0)

    @property
    def models(self) -> int:
        """As many as there is room for."""
        return self._n_workers(self._gpus_each)

    @cached_property
    def _room(self) -> dict[str, float]:
        """The cluster's resources; connects to it."""
        ray = _connected(self.address)
        return dict(ray.cluster_resources())

    @property
    def _gpus_each(self) -> float:
        return float(self.gpus if self.gpus is not None else min(1.0, self._room.get("GPU", 0.0)))

    def _n_workers(self, gpus: float) -> int:
        fit = int(self._room.get("CPU", 1.0) // self.cpus)
        if gpus:
            fit = min(fit, int(self._room.get("GPU", 0.0) // gpus))
        if fit < 1:
            raise ConfigError(
                f"The Ray cluster has {self._room.get('CPU', 0):g} CPUs and "
                f"{self._room.get('GPU', 0):g} GPUs: no room for a worker of {self.cpus:g} CPUs "
                f"and {gpus:g} GPUs. Ask for fewer, or start more nodes."
            )
        return min(fit, self.most_workers or fit)

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """See `Engine.map`."""
        data = self._data(items)
        return iter(()) if data is None else _results(data.map(_Task(function), **self._cpu_task))

    def merged(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        merge: Callable[[list[Result]], Result],
    ) -> Iterator[Result]:
        """See `Engine.merged`: a tree, eight results at a time."""
        found = [*items]
        data = self._data(found)
        if data is None:
            return iter(())
        data, n_left = data.map(_Task(function), **self._cpu_task), len(found)
        while n_left > _FAN_IN:
            data = data.map_batches(_Merge(merge), batch_size=_FAN_IN, **self._cpu_task)
            n_left = -(-n_left // _FAN_IN)
        return _results(data)

    def stream(
        self,
        make: Callable[[], Callable[[Iterable[Item]], Iterator[Result]]],
        items: Iterable[Item],
    ) -> Iterator[Result]:
        """See `Engine.stream`: one actor for each GPU, or for each share of the CPUs."""
        from ray.data import ActorPoolStrategy

        found = [*items]
        data = self._data(found)
        if data is None:
            return iter(())
        most = min(self.models, len(found))
        pool = ActorPoolStrategy(min_size=1, max_size=most)
        resources = {"num_cpus": self.cpus, "num_gpus": self._gpus_each or None}
        retries = {"max_task_retries": _RETRIES}
        with warnings.catch_warnings():  # Ray 2.64 is to have another way to say it
            warnings.filterwarnings("ignore", message=".*ray_remote_args_fn")
            data = data.map(
                _actor(make), compute=pool, ray_remote_args_fn=lambda: retries, **resources
            )
        return _results(data)

    def call(self, function: Callable[[], Any]) -> Any:
        """See `Engine.call`: on a worker that has the GPUs of one."""
        return next(self.stream(lambda: lambda items: (function() for _ in items), [None]))

    @property
    def _cpu_task(self) -> dict[str, Any]:
        return {"num_cpus": self.cpus}

    def _data(self, items: Iterable[Any]) -> Any:
        """One block an item, so that each is a task of its own; None where there is none."""
        _ = self._room
        import ray.data

        rows = [{"item": _dumps(item)} for item in items]
        return ray.data.from_items(rows, override_num_blocks=len(rows)) if rows else None


def _connected(address: str | None) -> Any:
    """The module ``ray``, connected.

    Raises:
        ConfigError: not installed, or no cluster there.
    """
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # errors come as exceptions
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise ConfigError(
            f"The engine ray needs Ray Data: pip install 'curate-lm[ray]' ({error})."
        ) from error
    if not ray.is_initialized():
        quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
        if address is None:
            quiet["include_dashboard"] = False
        try:
            ray.init(address=address or "local", **quiet)
        except Exception as error:  # Ray raises plain ones where a node is slow to start
            what = (
                "Ray could not be started on this machine"
                if address is None
                else f"There is no Ray cluster at {address!r}"
            )
            raise ConfigError(
                f"{what}: {error} Start one with `ray start --head` and give --ray-address auto, "
                f"or run the same command again; with --engine local it goes on as well."
            ) from error
        interrupts.take()
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.enable_rich_progress_bars = False
        context.print_on_execution_start = False
    return ray


class _Task:
    """A function of items as one of Ray's rows; an error that it raises is its result."""

    def __init__(self, function: Callable[[Any], Any], where: Path | None = None) -> None:
        self._function, self._where = function, where or Path.cwd()

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        _go_to(self._where)
        try:
            return {"result": _dumps((self._function(_loads(row["item"])), None))}
        except Exception as error:
            return {"result": _dumps((None, error))}


class _Merge:
    """Several results made one; the first error among them stands for all."""

    def __init__(self, merge: Callable[[list[Any]], Any]) -> None:
        self._merge = merge

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        pairs = [_loads(result) for result in batch["result"]]
        error = next((error for _, error in pairs if error is not None), None)
        if error is None:
            return {"result": [_dumps((self._merge([value for value, _ in pairs]), None))]}
        return {"result": [_dumps((None, error))]}


def _actor(make: Callable[[], Callable[[Iterable[Any]], Iterator[Any]]]) -> type:
    """The class of a worker that makes its function once."""
    where = Path.cwd()

    class Worker:
        def __init__(self) -> None:
            self._made: Any = None
            self._task = _Task(self._one, where)

        def _one(self, item: Any) -> Any:
            if self._made is None:  # here, so that an error in the making is a result, no death
                self._made = make()
            return next(iter(self._made([item])))

        def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
            return self._task(row)

    return Worker


def _results(data: Any) -> Iterator[Any]:
    from ray.exceptions import RayError

    try:
        for row in data.iter_rows():
            yield _result(row["result"])
    except RayError as error:
        raise _given_up(error) from error


def _given_up(error: Exception) -> BackendError:
    """What to say when Ray does not go on: after deaths of workers, or for reasons of its own."""
    from ray import exceptions

    deaths = (exceptions.RayActorError, exceptions.WorkerCrashedError, exceptions.OutOfMemoryError)
    if not isinstance(error, deaths) and not isinstance(error.__cause__, deaths):
        return BackendError(f"Ray gave up: {error} What is done is kept. {interrupts.GO_ON}")
    return BackendError(
        f"Workers of Ray died at one piece of work {_RETRIES + 1} times, out of memory or because "
        f"the model cannot be interrupted: {error}. What is done is kept. Give each more room "
        f"(--worker-cpus, --worker-gpus), or use --engine local to see which document it is."
    )


def _result(packed: bytes) -> Any:
    value, error = _loads(packed)
    if error is not None:
        raise error
    return value


def _go_to(where: Path) -> None:
    """Where relative paths were given; a node without that directory is given absolute ones."""
    if where.is_dir():
        os.chdir(where)


def _dumps(value: Any) -> bytes:
    from ray import cloudpickle

    return bytes(cloudpickle.dumps(value))


def _loads(packed: bytes) -> Any:
    from ray import cloudpickle

    return cloudpickle.loads(packed)
