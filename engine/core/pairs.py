"""A fail-over pair: the slot of a strategy at its own venue, and the one that stands in for it at another.

Both belong to the strategy; quantities and prices go from one contract's integers to the other's here, exactly, with
the direction of rounding said by the caller.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from domain.account import Account
from domain.instrument import Instrument, InstrumentId
from domain.market import Bar, Trade
from domain.settings import FailoverSpec
from engine.core.state import Slot, slot_key

if TYPE_CHECKING:
    from engine.core.core import Core


class Pair(NamedTuple):
    """Two slots of one owner. `qty` and `price` take the backup's integers into the primary's."""

    spec: FailoverSpec
    primary: Slot
    backup: Slot
    qty: Fraction
    price: Fraction

    def other(self, slot: Slot) -> Slot:
        """The other half."""
        return self.primary if slot is self.backup else self.backup

    def _scaled(self, to: Slot, qty: int) -> Fraction:
        return qty * self.qty if to is self.primary else qty / self.qty

    def floor(self, to: Slot, qty: int) -> int:
        """A quantity of the other half in the integers of `to`, rounded down."""
        return self._scaled(to, qty).__floor__()

    def ceil(self, to: Slot, qty: int) -> int:
        """Rounded up."""
        return self._scaled(to, qty).__ceil__()

    def trunc(self, to: Slot, qty: int) -> int:
        """Rounded towards zero."""
        return self._scaled(to, qty).__trunc__()

    def price_of(self, to: Slot, price: int, side: int = 0) -> int:
        """A price of the other half in the integers of `to`: for bids down, for asks up, else to the nearest."""
        scaled = price * self.price if to is self.primary else price / self.price
        if side:
            return scaled.__floor__() if side > 0 else scaled.__ceil__()
        return round(scaled)


def make(spec: FailoverSpec, primary: Slot, backup: Slot, own: Instrument, other: Instrument) -> Pair:
    """A pair of slots whose contracts are `own` and `other`."""
    qty = Fraction(other.multiplier) / Fraction(own.multiplier) * Fraction(own.qty_scale, other.qty_scale)
    return Pair(spec, primary, backup, qty, Fraction(own.price_scale, other.price_scale))


class Backup(NamedTuple):
    """What a strategy's view needs of a pair: where else it holds, and whether it looks at the other market now."""

    account: Account
    instrument: InstrumentId
    is_source: bool
    size: float
    """Base units of one of the backup's contracts in contracts of the primary's."""


def as_if(pair: Pair, event: Bar | Trade) -> Bar | Trade:
    """A finished bar or a trade of the backup's market, as one of the primary's instrument."""
    if isinstance(event, Bar):
        return bar_as_if(pair, event)
    slot = pair.primary
    price, qty = pair.price_of(slot, event.price), pair.trunc(slot, event.qty)
    return replace(event, instrument=slot.instrument, price=price, qty=qty)


def bar_as_if(pair: Pair, bar: Bar) -> Bar:
    """A finished bar of the backup's market, as one of the primary's instrument."""
    slot = pair.primary
    prices = (bar.open, bar.high, bar.low, bar.close)
    opened, high, low, close = [pair.price_of(slot, price) for price in prices]
    volume = pair.trunc(slot, bar.volume)
    return replace(bar, instrument=slot.instrument, open=opened, high=high, low=low, close=close, volume=volume)


def index(core: Core) -> None:
    """Recompute the fail-over pairs of a core, and which half is used.

    A strategy of several venues has none: its other venue holds its other leg, and two legs at one venue are no hedge.
    """
    state = core.state
    for found in (core.pairs, core.barred, core.fed):
        found.clear()
    for spec in state.settings.failover:
        backup = state.slots.get(slot_key(spec.account, spec.backup))
        is_known = spec.instrument in core.instruments and spec.backup in core.instruments
        if backup is None or backup.owner not in state.strategies or not is_known:
            continue
        owner = state.strategies[backup.owner].spec
        primary = state.slots.get(slot_key(owner.account, spec.instrument))
        if primary is None or primary.owner != owner.id or owner.accounts:
            continue
        pair = make(spec, primary, backup, core.instruments[spec.instrument], core.instruments[spec.backup])
        core.pairs[primary.key] = core.pairs[backup.key] = pair
        stands = state.failovers.get(spec.instrument)
        is_moved = stands is not None and stands.on_backup
        core.barred[primary.key if is_moved else backup.key] = None
        if is_moved:
            core.fed[spec.instrument] = pair
    for view in core.views.values():
        view.backups = backups_of(core, view.id)


def backups_of(core: Core, strategy_id: str) -> dict[InstrumentId, Backup]:
    """What a strategy's view needs of its pairs."""
    found: dict[InstrumentId, Backup] = {}
    for key, pair in core.pairs.items():
        if key != pair.primary.key or pair.primary.owner != strategy_id:
            continue
        own, other = core.instruments[pair.primary.instrument], core.instruments[pair.backup.instrument]
        account, size = core.state.accounts[pair.backup.account], float(other.multiplier / own.multiplier)
        found[own.id] = Backup(account, other.id, key in core.barred, size)
    return found
