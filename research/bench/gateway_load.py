"""Asks one address over and over, from some connections at once: a process of its own for `gateway_api`.

What to ask comes as a line of JSON, what was seen goes back as one.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any


async def load(asked: dict[str, Any]) -> dict[str, Any]:
    """`count` requests over `connections` kept connections: nanoseconds of each, and of the whole."""
    raw = asked["request"].encode()
    left = iter(range(asked["count"]))
    taken_ns: list[int] = []

    async def connection() -> None:
        reader, writer = await asyncio.open_connection(asked["host"], asked["port"])
        try:
            for _ in left:
                began_ns = time.perf_counter_ns()
                writer.write(raw)
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                body = await reader.readexactly(int(length.split(b":")[1]))
                taken_ns.append(time.perf_counter_ns() - began_ns)
                if not head.startswith(b"HTTP/1.1 200"):
                    raise AssertionError(f"{head[:40]!r} {body[:300]!r}")
        finally:
            writer.close()

    began_ns = time.perf_counter_ns()
    await asyncio.gather(*(connection() for _ in range(asked["connections"])))
    return {"taken_ns": taken_ns, "whole_ns": time.perf_counter_ns() - began_ns}


def main() -> None:
    """Answer lines until there are no more."""
    for line in sys.stdin:
        sys.stdout.write(json.dumps(asyncio.run(load(json.loads(line)))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
