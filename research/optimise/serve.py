"""A process of a pool: the task in, None when its data are open, then jobs in and runs out.

They come over the pipe whose descriptor is its argument. It leaves when the other end is gone. Its standard input is
open as long as its keeper lives, who may be killed while a trial is under way that never ends. Ctrl-C is for the keeper
alone.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from multiprocessing.connection import Connection

from domain.errors import MoonDevError
from research.optimise.job import Bench


def serve(pipe: Connection) -> None:
    """Work until nobody is there."""
    with contextlib.suppress(EOFError, OSError):
        try:
            bench = Bench(pipe.recv())
        except MoonDevError as error:
            pipe.recv()
            pipe.send(str(error))
            return
        pipe.send(None)
        while True:
            pipe.send(bench.run(pipe.recv()))


def _leave_with_the_keeper() -> None:
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_the_keeper, daemon=True).start()
    serve(Connection(int(sys.argv[1])))
