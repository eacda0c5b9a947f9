"""Counts long periods in a process of its own: a year of minutes is seconds of Python, and trading waits for none.

The process lives for one question. Question and answer are MessagePack on its standard input and output: the
database's address may hold a password, which no command line may show.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct
from sqlalchemy import Engine, func, select

from domain.errors import MoonDevError
from domain.instrument import Instrument, InstrumentId
from domain.performance import Exposures, Performance
from engine.performance import Now
from engine.storage import schema
from engine.storage.database import read_only
from engine.storage.exposure import read_exposure
from engine.storage.period import read_performance

ROOT: Final = Path(__file__).parents[2]
WITHIN_S: Final = 300.0
NICE: Final = 10
"""Counting yields to trading wherever both want the same core."""
LONG_ROWS: Final = 2_500
"""Samples and fills that are counted beside the event loop: more than a day of minutes. They take some 50 ms."""


class NotCounted(MoonDevError):
    """There are no figures; its text says why."""


class Question(Struct, frozen=True, kw_only=True):
    """A period to be counted; with `instruments` what was open in it, without them what was earned."""

    url: str
    since_ns: int
    until_ns: int
    now: Now | None
    notes: list[str]
    instruments: dict[InstrumentId, Instrument] | None = None


class Answer(Struct, frozen=True, kw_only=True):
    """What was counted, or the problem that there was instead."""

    performance: Performance | None = None
    exposures: Exposures | None = None
    problem: str = ""


class Counter:
    """Asks such a process. One at a time: who asks meanwhile waits, so that they never take more than one core."""

    def __init__(self) -> None:
        """Nothing runs yet."""
        self._one = asyncio.Lock()

    async def ask(self, question: Question) -> Answer:
        """The answer. Raises `NotCounted`, and `OSError` where no process can be started."""
        async with self._one:
            path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "engine.storage.counting", env={**os.environ, "PYTHONPATH": path},
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, start_new_session=True,
            )  # fmt: skip
            try:
                async with asyncio.timeout(WITHIN_S):
                    said, _ = await child.communicate(msgspec.msgpack.encode(question))
                answer = msgspec.msgpack.decode(said, type=Answer)
            except TimeoutError:
                raise NotCounted(f"it was not counted within {WITHIN_S:.0f} s") from None
            except msgspec.DecodeError:
                raise NotCounted("the process that counts it ended") from None
            finally:
                if child.returncode is None:
                    with contextlib.suppress(ProcessLookupError):
                        child.kill()
                    await child.wait()
        if answer.problem:
            raise NotCounted(answer.problem)
        return answer


def is_long(engine: Engine, since_ns: int, until_ns: int) -> bool:
    """Whether a period has more rows than are to be counted beside the event loop; the index alone is asked."""
    with engine.connect() as connection:
        rows = 0
        for table in (schema.equity, schema.fills):
            inside = select(table.c.ts_ns).where(table.c.ts_ns >= since_ns, table.c.ts_ns < until_ns)
            some = inside.limit(LONG_ROWS + 1).subquery()
            rows += connection.execute(select(func.count()).select_from(some)).scalar() or 0
    return rows > LONG_ROWS


def count(engine: Engine, question: Question) -> Answer:
    """Count it. Blocks; raises SQLAlchemy's errors."""
    since_ns, until_ns, now = question.since_ns, question.until_ns, question.now
    if question.instruments is not None:
        return Answer(exposures=read_exposure(engine, question.instruments, since_ns, until_ns, now))
    return Answer(performance=read_performance(engine, since_ns, until_ns, now, question.notes))


def main() -> None:
    """Answer the question on standard input."""
    os.nice(NICE)
    question = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Question)
    try:
        engine = read_only(question.url)
        found = count(engine, question) if engine is not None else Answer(problem="the database is not there")
    except Exception as error:  # noqa: BLE001 - whoever asked is told; a driver's words may name the address
        found = Answer(problem=type(error).__name__)
    sys.stdout.buffer.write(msgspec.msgpack.encode(found))


if __name__ == "__main__":
    main()
