"""A typed line that stops trading has no limits, as its verb has none: so it is looked at before they are."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import msgspec
from msgspec import Struct
from starlette.types import Message, Receive

LONGEST: Final = 64 * 1024


class Said(Struct):
    """The part of a body that matters here."""

    line: str = ""


async def looked_at(receive: Receive, stops: Collection[str]) -> tuple[bool, Receive]:
    """Whether the line that a body holds begins with one of these verbs; and the body, to be received again."""
    body, more = b"", True
    while more and len(body) <= LONGEST:
        message = await receive()
        if message["type"] != "http.request":
            return False, _after([message], receive)
        body, more = body + message.get("body", b""), message.get("more_body", False)
    again = _after([{"type": "http.request", "body": body, "more_body": more}], receive)
    try:
        first = msgspec.json.decode(body, type=Said).line.split()[:1]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False, again
    return bool(first) and first[0].removeprefix("/").lower() in stops, again


def _after(waiting: list[Message], receive: Receive) -> Receive:
    async def again() -> Message:
        return waiting.pop(0) if waiting else await receive()

    return again
