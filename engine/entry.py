"""One record of a journal in full, by its seq: what was commanded, exactly, and the chain's hash after it.

In a process of its own, and a polite one: a segment is walked to find it, which would take the interpreter from
trading.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from domain.codec import decode_event
from domain.errors import JournalError
from domain.record_views import EntryView
from engine.core.journal import format as fmt
from engine.core.journal.format import Broken
from engine.core.journal.scan import main_segments

ROOT = Path(__file__).resolve().parent.parent
WITHIN_S = 20.0
POLITE = 10
"""Added to the niceness of the process that looks."""
_PAYLOAD = slice(fmt.BODY.size, -fmt.TAG_BYTES)


def entry_of(folder: Path) -> Callable[[int], Awaitable[EntryView]]:
    """Looks records up in the journal of a folder; what goes wrong with that is said, never raised."""
    command = (sys.executable, "-m", "engine.entry", str(folder.absolute()))

    async def look_from_here(seq: int) -> EntryView:
        process = await asyncio.create_subprocess_exec(
            *command, str(seq), cwd=ROOT, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
        )
        try:
            async with asyncio.timeout(WITHIN_S):
                said, _ = await process.communicate()
            return msgspec.json.decode(said, type=EntryView)
        except TimeoutError:
            return EntryView(seq=seq, problem=f"not found within {WITHIN_S:g} s")
        except msgspec.DecodeError:
            return EntryView(seq=seq, problem="it could not be looked up; see the log")
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()

    return look_from_here


def look(folder: Path, seq: int) -> EntryView:
    """Find the record `seq` of the main stream."""
    try:
        for segment in main_segments(folder, from_seq=seq):
            for _, kind, found, ts_ns, body in segment.frames():
                if found < seq:
                    continue
                if found > seq or kind & fmt.KIND_MASK != fmt.MAIN:
                    return EntryView(seq=seq, problem=f"event {seq} is market data, or there is none")
                event = named(decode_event(body[_PAYLOAD]))
                tag = body[-fmt.TAG_BYTES :].hex()
                text = json.dumps(event, indent=2, ensure_ascii=False)
                return EntryView(seq=seq, ts_ns=ts_ns, event=event, text=text, hash=tag, segment=segment.name)
    except Broken as error:
        return EntryView(seq=seq, problem=f"the journal is broken: {error.place}")
    except (JournalError, OSError, msgspec.DecodeError) as error:
        return EntryView(seq=seq, problem=f"the journal cannot be read: {error}")
    return EntryView(seq=seq, problem=f"the journal has no event {seq} on disk yet")


def named(value: Any) -> Any:  # noqa: ANN401 - any part of an event
    """An event as builtins with the names of its fields: on disk most have none."""
    if isinstance(value, Struct):
        config, fields = value.__struct_config__, value.__struct_fields__
        kind = {"type": config.tag} if config.tag is not None else {}
        return {**kind, **{name: named(getattr(value, name)) for name in fields}}
    if isinstance(value, dict):
        return {str(key): named(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [named(item) for item in value]
    return msgspec.to_builtins(value)


if __name__ == "__main__":
    os.nice(POLITE)
    sys.stdout.buffer.write(msgspec.json.encode(look(Path(sys.argv[1]), int(sys.argv[2]))))
