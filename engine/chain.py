"""Whether the newest part of a journal still says what was written, looked at while it is being written.

In a process of its own, and a polite one: hashing a whole segment would take the interpreter from trading for seconds.
All of a journal is for `./moondev audit verify`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path

import msgspec

from domain.errors import JournalError
from domain.record_views import ChainView
from engine.core.journal.format import MAIN, Broken
from engine.core.journal.scan import main_segments
from engine.core.journal.segments import first_seq_of, list_segments
from engine.desk_records import Chain

ROOT = Path(__file__).resolve().parent.parent
WITHIN_S = 20.0
SHOWN = 8
POLITE = 10
"""Added to the niceness of the process that looks."""


def chain_of(folder: Path) -> Chain:
    """Looks at the newest segment of the journal in a folder; what goes wrong with that is said, never raised."""
    command = (sys.executable, "-m", "engine.chain", str(folder.absolute()))

    async def look_from_here() -> ChainView:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
        )
        try:
            async with asyncio.timeout(WITHIN_S):
                said, _ = await process.communicate()
        except TimeoutError:
            return ChainView(ok=False, text=f"not looked at within {WITHIN_S:g} s; ./moondev audit verify can wait")
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        try:
            return msgspec.json.decode(said, type=ChainView)
        except msgspec.DecodeError:
            return ChainView(ok=False, text="it could not be looked at; see the log, and ./moondev audit verify")

    return look_from_here


def look(folder: Path) -> ChainView:
    """Recompute the chain of the newest segment."""
    records, segment = 0, None
    try:
        newest = max((first_seq_of(path) for path in list_segments(folder, MAIN)), default=1)
        for segment in main_segments(folder, from_seq=newest, check_chain=True):
            records = sum(1 for _ in segment.frames())
    except Broken as error:
        return ChainView(ok=False, text=f"broken: {error.place}. ./moondev audit verify says more")
    except (JournalError, OSError) as error:
        return ChainView(ok=False, text=f"cannot be read: {error}")
    if segment is None:
        return ChainView(ok=False, text="the journal has no segment")
    text = f"{records} records of {segment.name} up to {segment.last_seq}, head {segment.chain.hex()[:SHOWN]}"
    return ChainView(ok=True, text=f"{text}; all of it: ./moondev audit verify")


if __name__ == "__main__":
    os.nice(POLITE)
    sys.stdout.buffer.write(msgspec.json.encode(look(Path(sys.argv[1]))))
