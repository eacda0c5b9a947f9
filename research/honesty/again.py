"""The plain run in a process of its own: what to run is in the file that is named; prints the hash of its decisions."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec.msgpack import decode

from domain.market import MarketEvent
from research.honesty.case import Case
from research.honesty.state import encoded
from research.market_data import MarketData


def source(fields: dict[str, Any], packed: bytes) -> MarketData:
    """Market data as the parent has it."""

    def tape(_latency_ns: int, *_intervals_ns: int) -> Iterator[MarketEvent]:
        return iter(decode(packed, type=list[MarketEvent]))

    return MarketData(tape=tape, **fields)


def main() -> None:
    """One run."""
    plan, sources, settings = pickle.loads(Path(sys.argv[1]).read_bytes())  # noqa: S301 - written by the parent
    case = Case(plan, [source(*each) for each in sources], settings)
    sys.stdout.write(encoded(case.plain().trace))


if __name__ == "__main__":
    main()
