"""What a strategy wanted last, in a few words: its signal, before risk has looked at it."""

from __future__ import annotations

from collections import Counter
from typing import assert_never

from domain.desired import Desired, Hedge, Qty, Strength, Target


def signal(desired: Desired) -> str:
    """`BTC long 0.8`, `ETH 4 quotes`, `BTC buy 0.1 at 60000`; `nothing` where nothing is wanted."""
    parts = [f"{_base(target.instrument)} {_want(target)}" for target in desired.targets]
    quotes = Counter(_base(quote.instrument) for quote in desired.quotes)
    parts += [f"{base} {count} quote{'s' if count > 1 else ''}" for base, count in quotes.items()]
    parts += [
        f"{_base(take.instrument)} {'buy' if take.side > 0 else 'sell'} {take.qty:g} at {take.limit:.10g}"
        for take in desired.takes
    ]
    return ", ".join(parts) or "nothing"


def _want(target: Target) -> str:
    match target.want:
        case Strength(value=value):
            return f"{'long' if value > 0 else 'short'} {abs(value):.2g}" if value else "flat"
        case Qty(value=value):
            return f"{value:+g}" if value else "flat"
        case Hedge(lead=lead, ratio=ratio):
            return f"against {ratio:.3g} x {_base(lead)}"
        case _ as want:
            assert_never(want)


def _base(instrument: str) -> str:
    return instrument.partition("-")[0]
