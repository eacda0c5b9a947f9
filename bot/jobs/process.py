"""One job as a process of its own: lowest priority, one thread, a time limit, progress by lines on its stderr.

Where memory runs out, the system ends it before it ends the service.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

LOWEST_PRIORITY = 19
FIRST_TO_GO = "1000"
"""The highest score of what the system ends when memory runs out."""
MOST_OUTPUT = 200_000
"""Characters of a job's output that are kept."""
MOST_WHY = 400
PROGRESS = "progress "
"""A line of stderr that begins so says how much is done: `progress 0.25`."""
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1") | {
    "PYTHONUNBUFFERED": "1",
    "NO_COLOR": "1",
}


class Ended(Struct, frozen=True, kw_only=True):
    """How a process ended: `why` is empty when it did what it should."""

    output: str
    why: str = ""


async def run(
    command: Sequence[str], limit_s: float, started: Callable[[int], None], progress: Callable[[float], None]
) -> Ended:
    """Run a command to its end or the limit; `started` is given its process id, `progress` parts from 0 to 1.

    When this is cancelled, the process and its children end with it.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **ONE_THREAD},
        start_new_session=True,
    )
    _put_last(process.pid)
    started(process.pid)
    assert process.stdout is not None  # noqa: S101 - both are pipes
    assert process.stderr is not None  # noqa: S101
    try:
        async with asyncio.timeout(limit_s):
            output, errors = await asyncio.gather(_all(process.stdout), _errors(process.stderr, progress))
            code = await process.wait()
    except TimeoutError:
        return Ended(output="", why=f"it was ended after {limit_s / 60:.0f} min, the time limit")
    finally:
        end(process.pid)
        await process.wait()
    return Ended(output=output, why="" if code == 0 else _why(code, errors))


def _put_last(pid: int) -> None:
    """Trading comes first, for processor time and for memory."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, LOWEST_PRIORITY)
        Path(f"/proc/{pid}/oom_score_adj").write_text(FIRST_TO_GO)  # Linux


def end(pid: int) -> None:
    """End a job's process and its children; one that is gone is fine."""
    with contextlib.suppress(OSError):
        os.killpg(pid, signal.SIGKILL)


def end_left_over(pid: int, mark: str) -> None:
    """End the process that a killed service left running, if it is that one: its command line holds `mark`."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return
    if pid and mark.encode() in words:
        end(pid)


async def _all(stream: asyncio.StreamReader) -> str:
    kept = b""
    while chunk := await stream.read(65_536):
        kept = (kept + chunk)[:MOST_OUTPUT]
    return kept.decode(errors="replace")


async def _errors(stream: asyncio.StreamReader, progress: Callable[[float], None]) -> list[str]:
    """The last lines that are not progress."""
    lines: list[str] = []
    rest = b""
    while chunk := await stream.read(65_536):
        *whole, rest = (rest + chunk).split(b"\n")
        rest = rest[-MOST_OUTPUT:]
        for line in (one.decode(errors="replace").strip() for one in whole):
            if line.startswith(PROGRESS):
                with contextlib.suppress(ValueError):
                    progress(min(1.0, max(0.0, float(line.removeprefix(PROGRESS)))))
            elif line:
                lines = [*lines[-20:], line]
    return [*lines, *filter(None, [rest.decode(errors="replace").strip()])]


def _why(code: int, errors: list[str]) -> str:
    """Why it failed, in its own words where it has said them."""
    said = next((line for line in reversed(errors) if line.startswith("Error: ")), errors[-1] if errors else "")
    words = said.removeprefix("Error: ")[:MOST_WHY]
    if code < 0:
        killed = "the system ended it (is there memory enough?)" if code == -signal.SIGKILL else f"signal {-code}"
        return f"{killed}{f': {words}' if words else ''}"
    return words or f"it ended with code {code} and said nothing"
