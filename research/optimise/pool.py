"""Who runs the jobs of a study: processes of this machine, or Dask's workers on many.

Both take jobs and give back runs, in any order; neither knows of the study or its database. A process that dies takes
its one job with it: the job comes back as `Lost`, and another process takes its place.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from msgspec import Struct

from domain.errors import ConfigError, MoonDevError
from research.optimise.job import Job, Run, Task

LIMIT_S = 1_800.0
"""How long a trial may take before it counts as one that never ends."""
_PORT = re.compile(r":\d+/?$")
WAIT_S = 1.0
ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 2.0
"""How long a process may take to leave once nothing is to be done."""


class Lost(Struct, frozen=True, kw_only=True):
    """A job whose process is gone."""

    number: int
    how: str


class Pool(Protocol):
    """Runs jobs; `room` more may be handed to it now."""

    @property
    def room(self) -> int:
        """How many more jobs would be worked on at once."""
        ...

    @property
    def name(self) -> str:
        """For people."""
        ...

    def submit(self, job: Job) -> None:
        """Hand over a job."""
        ...

    def done(self, timeout_s: float) -> list[Run | Lost]:
        """What has come back, waiting for the first of it. Raises `MoonDevError` when no work can be done at all."""
        ...

    def close(self) -> None:
        """Stop everything; what was under way is lost."""
        ...


class _Worker:
    """One process (`research.optimise.serve`) and the job that it has."""

    def __init__(self, task: Task) -> None:
        # a program of its own: a fork would take over this process's database, threads and compiled code as they happen
        # to be, and what `multiprocessing` starts may not be started by a Dask worker, which is a daemon of its nanny's
        self.pipe, other = Pipe()
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        self.process = subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-P", "-m", "research.optimise.serve", str(other.fileno())],
            stdin=subprocess.PIPE,
            pass_fds=[other.fileno()],
            env={**os.environ, "PYTHONPATH": path},
        )
        other.close()
        self.job: Job | None = None
        self.began_s = time.monotonic()
        self.is_open = False
        self.send(task)

    def send(self, what: Task | Job) -> None:
        """Hand something over."""
        with contextlib.suppress(OSError):  # it has died meanwhile: `done` says so
            self.pipe.send(what)

    def leave(self, patience_s: float) -> None:
        """Wait for it to leave; what does not is ended."""
        try:
            self.process.wait(max(0.0, patience_s))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()


class Processes:
    """Processes of this machine, each with the data opened once."""

    def __init__(self, task: Task, count: int, limit_s: float = LIMIT_S) -> None:
        """Start them; they open the data while the first jobs are made."""
        self._task = task
        self._limit_s = limit_s
        self._workers = [_Worker(task) for _ in range(count)]

    @property
    def name(self) -> str:
        """For people."""
        count = len(self._workers)
        return f"{count} process{'es' if count > 1 else ''}"

    @property
    def room(self) -> int:
        """Idle processes."""
        return sum(worker.job is None for worker in self._workers)

    @property
    def pids(self) -> list[int]:
        """Ids of the processes."""
        return [worker.process.pid for worker in self._workers]

    def submit(self, job: Job) -> None:
        """Give a job to an idle process."""
        worker = next(worker for worker in self._workers if worker.job is None)
        worker.job = job
        if worker.is_open:
            worker.began_s = time.monotonic()
        worker.send(job)

    def done(self, timeout_s: float) -> list[Run | Lost]:
        """What came back. Raises `MoonDevError` with the words of a process that could not begin."""
        until_s = time.monotonic() + timeout_s
        found: list[Run | Lost] = []
        while not found and (left_s := until_s - time.monotonic()) > 0:
            busy = {worker.pipe: worker for worker in self._workers if worker.job is not None}
            ready = [pipe for pipe in wait(list(busy), min(left_s, WAIT_S)) if isinstance(pipe, Connection)]
            found += [answer for pipe in ready if (answer := self._take(busy[pipe])) is not None]
            found += self._ended()
        return found

    def _ended(self) -> list[Run | Lost]:
        """What was late."""
        late = [worker for worker in self._workers if worker.job is not None and self._is_late(worker)]
        return [self._end(worker) for worker in late]

    def _is_late(self, worker: _Worker) -> bool:
        """Whether its trial has had its time; a process that still opens the data has half an hour at least."""
        return time.monotonic() - worker.began_s >= (self._limit_s if worker.is_open else max(self._limit_s, LIMIT_S))

    def _end(self, worker: _Worker) -> Run | Lost:
        """End a process whose trial does not; it would not the next time either, so the trial has failed."""
        job = worker.job
        assert job is not None  # noqa: S101 - only busy ones are looked at
        worker.process.kill()
        self._replace(worker)
        how = f"it was not over after {self._limit_s:.0f} s (--limit)"
        return Run(number=job.number, params=job.params, state="failed", reason=how, wall_s=self._limit_s)

    def _replace(self, worker: _Worker) -> None:
        worker.leave(PATIENCE_S)
        worker.pipe.close()
        self._workers[self._workers.index(worker)] = _Worker(self._task)

    def _take(self, worker: _Worker) -> Run | Lost | None:
        """What a process says: that it has opened the data (None), or what came of its job."""
        job = worker.job
        assert job is not None  # noqa: S101 - only busy ones are looked at
        try:
            answer = worker.pipe.recv()
        except (EOFError, OSError):
            self._replace(worker)
            code = worker.process.returncode
            how = f"signal {signal.Signals(-code).name}" if code < 0 else f"status {code}"
            return Lost(number=job.number, how=f"its process ended with {how}")
        if isinstance(answer, str):
            raise MoonDevError(answer)
        if answer is None:
            worker.is_open, worker.began_s = True, time.monotonic()
            return None
        worker.job = None
        found: Run = answer
        return found

    def close(self) -> None:
        """End every process."""
        for worker in self._workers:
            worker.pipe.close()
            if worker.job is not None:
                worker.process.terminate()
        until_s = time.monotonic() + PATIENCE_S
        for worker in self._workers:
            worker.leave(until_s - time.monotonic())


_pools: dict[str, Processes] = {}
_one_at_a_time = threading.Lock()


def run_apart(task: Task, job: Job, limit_s: float) -> Run | Lost | str:
    """A job in a Dask worker, by a process beside it that opens the data at its first one; a text says why it cannot.

    The process is ended with a trial that does not end: a thread of the worker could not be. The worker has to have
    this program, this strategy and this data at the same paths, which is checked by hash. Of a worker with several
    threads one works: each would open the data once more.
    """
    with _one_at_a_time:
        key = repr((task, limit_s))
        if key not in _pools:
            leave()
            _pools[key] = Processes(task, 1, limit_s)
        _pools[key].submit(job)
        try:
            while not (found := _pools[key].done(WAIT_S)):
                pass
        except MoonDevError as error:
            leave()
            return str(error)
        return found[0]


@atexit.register
def leave() -> None:
    """End the process beside a Dask worker."""
    while _pools:
        _pools.popitem()[1].close()


class Machines:
    """Dask's workers, wherever they are (`dask worker tcp://SCHEDULER` in an environment of this program)."""

    def __init__(self, task: Task, address: str, limit_s: float = LIMIT_S) -> None:
        """Connect. Raises `MoonDevError` when nobody answers, or the cluster has no worker."""
        if not (address.startswith("inproc://") or _PORT.search(address)):
            raise ConfigError(f"--dask {address}: expected the address of a scheduler, such as tcp://HOST:8786")
        import distributed

        client_type: Any = distributed.Client
        try:
            self._client = client_type(address, timeout="10s", set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise MoonDevError(f"--dask {address}: no Dask scheduler answers there ({error})") from None
        if not self._workers():
            self._client.close()
            raise MoonDevError(f"--dask {address}: it has no workers yet; start some: dask worker {address}")
        self._task, self._limit_s = task, limit_s
        self._jobs: dict[Any, Job] = {}
        self._ready: SimpleQueue[Any] = SimpleQueue()

    def _workers(self) -> int:
        return len(self._client.scheduler_info(n_workers=-1).get("workers", ()))

    @property
    def name(self) -> str:
        """For people."""
        count = self._workers()
        return f"{count} Dask worker{'s' if count > 1 else ''}"

    @property
    def room(self) -> int:
        """Workers without a job, and one job more, so that none waits for the network; none without a scheduler."""
        return max(0, self._workers() + 1 - len(self._jobs)) if self._client.status == "running" else 0

    def submit(self, job: Job) -> None:
        """Hand a job to the scheduler."""
        future = self._client.submit(run_apart, self._task, job, self._limit_s, pure=False)
        self._jobs[future] = job
        future.add_done_callback(self._ready.put)

    def done(self, timeout_s: float) -> list[Run | Lost]:
        """What came back. Raises `MoonDevError` with the words of a worker that has other code or data.

        The same when the scheduler is gone: Dask has tried to reach it again for a while then.
        """
        found = list(self._finished(timeout_s))
        if not found and self._client.status in {"closing", "closed"}:
            raise MoonDevError("the Dask scheduler is gone; what came is kept: ./moondev optimise go-on STUDY")
        return found

    def _finished(self, timeout_s: float) -> Iterator[Run | Lost]:
        with contextlib.suppress(Empty):
            ready = [self._ready.get(timeout=timeout_s)]
            while not self._ready.empty():
                ready.append(self._ready.get())
            yield from map(self._answer, ready)

    def _answer(self, future: Any) -> Run | Lost:  # noqa: ANN401 - Dask's future is not typed
        job = self._jobs.pop(future)
        if future.status != "finished":
            why = future.exception() if future.status == "error" else future.status
            return Lost(number=job.number, how=f"its Dask worker is gone: {why}")
        answer: Run | Lost | str = future.result()
        if isinstance(answer, str):
            raise MoonDevError(answer)
        return answer

    def close(self) -> None:
        """Call back what has not begun, and leave; scheduler and workers stay."""
        with contextlib.suppress(OSError, TimeoutError):
            if self._client.status == "running":
                self._client.cancel(list(self._jobs))
            self._client.close(timeout=PATIENCE_S)
