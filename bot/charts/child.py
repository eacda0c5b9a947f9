"""The drawing process: sheets in on standard input, pictures out on standard output, one at a time.

A frame is its length in four bytes, then MessagePack. The process ends with its parent, or after minutes without work:
the drawing library's memory is held only while somebody looks at charts.
"""

from __future__ import annotations

import os
import select
import sys
from typing import BinaryIO

import msgspec
from msgspec import Struct

from bot.charts.sheet import Sheet

IDLE_S = 180
NICE = 15
"""Drawing yields to trading wherever both want the same core."""
LENGTH = 4


class Drawn(Struct, frozen=True, kw_only=True):
    """A picture, or the error that there was instead."""

    png: bytes = b""
    problem: str = ""


def framed(payload: bytes) -> bytes:
    """One frame."""
    return len(payload).to_bytes(LENGTH, "big") + payload


def main() -> None:
    """Draw until nobody asks any more."""
    os.nice(NICE)
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    from bot.charts.paint import paint

    decoder = msgspec.msgpack.Decoder(Sheet)
    while (payload := _next(source)) is not None:
        try:
            drawn = Drawn(png=paint(decoder.decode(payload)))
        except Exception as error:  # noqa: BLE001 - whoever asked is told, and the next picture is drawn
            drawn = Drawn(problem=f"{type(error).__name__}: {error}"[:200])
        sink.write(framed(msgspec.msgpack.encode(drawn)))
        sink.flush()


def _next(source: BinaryIO) -> bytes | None:
    """The next sheet; None when there will be none."""
    if not select.select([source], [], [], IDLE_S)[0]:
        return None
    length = source.read(LENGTH)
    if len(length) < LENGTH:
        return None
    return source.read(int.from_bytes(length, "big"))


if __name__ == "__main__":
    main()
