"""What strategies share: checks made when they are built, and of the bars they read."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from domain.errors import StrategyError
from domain.instrument import InstrumentId
from domain.strategy import BarView


def only_instrument(kind: str, instruments: Sequence[InstrumentId]) -> InstrumentId:
    """The one instrument of a strategy that trades one. Raises `StrategyError` for none or several."""
    if len(instruments) != 1:
        raise StrategyError(
            f"strategy kind {kind!r} trades exactly one instrument, got {len(instruments)}: load it once per instrument"
        )
    return instruments[0]


def usable(bar: BarView) -> bool:
    """False for a bar that indicators must not see: a price that is no number, or not above zero."""
    return isfinite(bar.high - bar.low + bar.close) and min(bar.low, bar.close) > 0
