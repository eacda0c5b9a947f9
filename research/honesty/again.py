"""The plain run in a process of its own: what to run is in the file that is named; prints the hash of its decisions."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

from msgspec.msgpack import decode

from domain.market import MarketEvent
from research.honesty.case import Case
from research.honesty.state import encoded
from research.market_data import MarketData


def main() -> None:
    """One run."""
    request, fields, events, settings = pickle.loads(Path(sys.argv[1]).read_bytes())  # noqa: S301 - what the parent has just written
    data = MarketData(tape=lambda _latency_ns, _interval_ns: iter(decode(events, type=list[MarketEvent])), **fields)
    sys.stdout.write(encoded(Case(request, data, settings).plain().trace))


if __name__ == "__main__":
    main()
