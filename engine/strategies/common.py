"""What strategies share: checks made once, when they are built."""

from __future__ import annotations

from collections.abc import Sequence

from domain.errors import StrategyError
from domain.instrument import InstrumentId


def only_instrument(kind: str, instruments: Sequence[InstrumentId]) -> InstrumentId:
    """The one instrument of a strategy that trades one. Raises `StrategyError` for none or several."""
    if len(instruments) != 1:
        raise StrategyError(
            f"strategy kind {kind!r} trades exactly one instrument, got {len(instruments)}: load it once per instrument"
        )
    return instruments[0]
