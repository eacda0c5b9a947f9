"""The plain run in a process of its own: reads what to run from standard input, prints the hash of its decisions."""

from __future__ import annotations

import pickle
import sys

from msgspec.msgpack import decode

from domain.market import MarketEvent
from research.honesty.case import Case
from research.honesty.state import encoded
from research.market_data import MarketData


def main() -> None:
    """One run."""
    request, fields, events, settings = pickle.loads(sys.stdin.buffer.read())  # noqa: S301 - the parent's own bytes
    data = MarketData(tape=lambda _latency_ns, _interval_ns: iter(decode(events, type=list[MarketEvent])), **fields)
    sys.stdout.write(encoded(Case(request, data, settings).plain().trace))


if __name__ == "__main__":
    main()
