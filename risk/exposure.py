"""What is held, added up by asset, venue and strategy; how much of the equity is bound; how bad the drawdown is."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from decimal import Decimal

from msgspec import Struct

from domain.instrument import ZERO, AccountId, InstrumentId


class Holding(Struct, frozen=True, kw_only=True):
    """One open position: `value` is its signed worth at the reference price, in the base currency.

    `fee` is the taker's rate, `spread` the touch's width as a fraction of its mid (None = unknown), `touch_value` what
    the touch takes of it on the side where it is closed; margins are fractions of its value.
    """

    account: AccountId
    venue: str
    asset: str
    currency: str
    instrument: InstrumentId
    strategy: str
    value: Decimal
    initial_margin: Decimal = ZERO
    maintenance_margin: Decimal = ZERO
    fee: Decimal = ZERO
    spread: Decimal | None = None
    touch_value: Decimal = ZERO


class Exposure(Struct, frozen=True, kw_only=True):
    """Longs and shorts of one asset, venue or strategy, both positive."""

    name: str
    long: Decimal
    short: Decimal

    @property
    def net(self) -> Decimal:
        """Longs less shorts."""
        return self.long - self.short

    @property
    def gross(self) -> Decimal:
        """Longs and shorts together."""
        return self.long + self.short


def exposures(holdings: Sequence[Holding], key: Callable[[Holding], str]) -> list[Exposure]:
    """Holdings added up by a key, the largest gross first; equal ones by name."""
    longs: dict[str, Decimal] = {}
    shorts: dict[str, Decimal] = {}
    for holding in holdings:
        name = key(holding)
        longs[name] = longs.get(name, ZERO) + max(holding.value, ZERO)
        shorts[name] = shorts.get(name, ZERO) + max(-holding.value, ZERO)
    found = [Exposure(name=name, long=long, short=shorts[name]) for name, long in longs.items()]
    return sorted(found, key=lambda row: (-row.gross, row.name))


def margin_used(holdings: Sequence[Holding]) -> Decimal:
    """Initial margin of everything that is open."""
    return sum((abs(h.value) * h.initial_margin for h in holdings), start=ZERO)


def maintenance(holdings: Sequence[Holding]) -> Decimal:
    """Equity below which venues close positions by themselves."""
    return sum((abs(h.value) * h.maintenance_margin for h in holdings), start=ZERO)


class RiskLevel(enum.StrEnum):
    """How bad it is, by drawdown."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


LEVELS = (
    (Decimal("0.20"), RiskLevel.CRITICAL),
    (Decimal("0.15"), RiskLevel.HIGH),
    (Decimal("0.10"), RiskLevel.MEDIUM),
)
"""From which drawdown on, the worst first."""
_BEGINS = {level: least for least, level in LEVELS}

CALMED = Decimal("0.8")
"""Part of a level's own drawdown below which it is over: at its edge it does not come and go."""


def next_level(told: RiskLevel, drawdown: Decimal) -> RiskLevel:
    """The level to tell, after the one told last: a higher one at once, a lower one when the drawdown has calmed."""
    now = risk_level(drawdown)
    if now is told:
        return told
    begins = _BEGINS.get(told, ZERO)
    return now if _BEGINS.get(now, ZERO) > begins or drawdown < begins * CALMED else told


def risk_level(drawdown: Decimal) -> RiskLevel:
    """Level of a drawdown (fraction): low < 10 % <= medium < 15 % <= high < 20 % <= critical."""
    for least, level in LEVELS:
        if drawdown >= least:
            return level
    return RiskLevel.LOW
