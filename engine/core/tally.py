"""Worst sides added up over slots, kept current by difference: what one event changed is counted anew, nothing else.

Derived from the state and never saved. Whatever changes an order's size or price, a position or an owner marks its
slot in `Tally.dirty`; `engine.core.wide.count` brings the sums up to date before they are read.
"""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from domain.account import venue_of
from domain.instrument import AccountId, InstrumentId
from engine.core.state import SlotKey

PORTFOLIO = "portfolio"


class Entry(Struct, gc=False):
    """What one slot adds to the sums: its worst long and short (both >= 0), and our best prices resting there."""

    account: AccountId
    instrument: InstrumentId
    owner: str
    long: int = 0
    short: int = 0
    best_bid: int = 0
    best_ask: int = 0
    position: int = 0
    paid: int = 0
    """Entry value of the position, as `risk.limits.money`."""

    @property
    def gross(self) -> int:
        """The larger of both sides: they cannot both come about."""
        return self.long if self.long > self.short else self.short  # noqa: FURB136 - on the gate's path


NONE = Entry("", "", "")
"""A slot that adds nothing."""


class Tally:
    """See the module docstring. `gross` is per scope and instrument, in the instrument's own scale."""

    def __init__(self) -> None:
        """Nothing is counted yet."""
        self.entries: dict[SlotKey, Entry] = {}
        self.dirty: dict[SlotKey, None] = {}
        self.gross: dict[str, dict[InstrumentId, int]] = {PORTFOLIO: {}}
        self.scopes: dict[SlotKey, tuple[str, tuple[str, str, str, str]]] = {}
        """Of each slot, while somebody owns it."""
        self.open: dict[str, int] = {}
        """Slots that hold something or may come to, per scope."""
        self.longs: dict[InstrumentId, int] = {}
        self.shorts: dict[InstrumentId, int] = {}
        self.on: dict[InstrumentId, dict[SlotKey, Entry]] = {}
        """The slots of each contract that add anything."""
        self.held: dict[AccountId, dict[InstrumentId, Entry]] = {}
        """The positions of each account."""
        self.net: dict[InstrumentId, int] = {}
        self.paid: dict[InstrumentId, int] = {}
        """Positions of all accounts together, and what was paid for them."""
        self.seq = -1
        self.prices: dict[InstrumentId, int] = {}
        self.equity: dict[AccountId, int] = {}
        """Worth of one quantity unit, and accounts' equity, as of event `seq`."""
        self.worths: dict[str, int] = {}
        self.maintenance: dict[str, int] = {}
        """Worth and maintenance margin by scope, as of event `seq` and while no entry changes."""
        self.cash: tuple[list[Decimal], int] = ([], 0)
        """Cash of every account, and the sum of it."""
        self.converted: dict[str, tuple[Decimal, int]] = {}
        """Amounts that seldom change, with what they were converted to."""
        self.tops: dict[InstrumentId, tuple[int, int]] = {}
        """Our best bid and ask resting in a contract, on whatever account."""

    def put(self, key: SlotKey, entry: Entry | None) -> None:
        """Replace what a slot adds; None = nothing."""
        before = self.entries.get(key)
        if before == entry:
            return
        now = entry or NONE
        was = before or NONE
        self._move_top(before, entry)
        if was.owner == now.owner or before is None or entry is None:
            self._move(key, (entry or was), was, now)
        else:
            self._move(key, was, was, NONE)
            self._move(key, now, NONE, now)
        if entry is None:
            del self.entries[key], self.on[was.instrument][key]
        else:
            self.entries[key] = entry
            self.on.setdefault(entry.instrument, {})[key] = entry
        if now.position:
            self.held.setdefault(now.account, {})[now.instrument] = now
        elif was.position:
            del self.held[was.account][was.instrument]

    def _move(self, key: SlotKey, of: Entry, was: Entry, now: Entry) -> None:
        """Add the difference to every sum that a slot of this owner belongs to."""
        instrument, gross = of.instrument, now.gross - was.gross
        if gross:
            opened = (now.gross > 0) - (was.gross > 0)
            for scope in self._scopes(key, of):
                sums = self.gross.get(scope)
                if sums is None:
                    sums = self.gross[scope] = {}
                after = sums.get(instrument, 0) + gross
                if after:
                    sums[instrument] = after
                else:
                    del sums[instrument]
                if opened:
                    self.open[scope] = self.open.get(scope, 0) + opened
        if now.long != was.long:
            _change(self.longs, instrument, now.long - was.long)
        if now.short != was.short:
            _change(self.shorts, instrument, now.short - was.short)
        if now.position != was.position:
            _change(self.net, instrument, now.position - was.position)
        if now.paid != was.paid:
            _change(self.paid, instrument, now.paid - was.paid)

    def _scopes(self, key: SlotKey, of: Entry) -> tuple[str, str, str, str]:
        """Which sums a slot belongs to."""
        known = self.scopes.get(key)
        if known is None or known[0] != of.owner:
            names = (PORTFOLIO, f"venue:{venue_of(of.account)}", f"account:{of.account}", f"strategy:{of.owner}")
            known = self.scopes[key] = of.owner, names
        return known[1]

    def _move_top(self, before: Entry | None, entry: Entry | None) -> None:
        """Keep the best resting prices; where the best one goes they are looked for anew."""
        instrument = (entry or before or NONE).instrument
        top = self.tops.get(instrument)
        if top is None:
            return
        bid, ask = top
        if before is not None and (
            (before.best_bid and before.best_bid == bid) or (before.best_ask and before.best_ask == ask)
        ):
            del self.tops[instrument]
        elif entry is not None:
            lowest = entry.best_ask if not ask or 0 < entry.best_ask < ask else ask
            self.tops[instrument] = max(bid, entry.best_bid), lowest

    def top(self, instrument: InstrumentId) -> tuple[int, int]:
        """Our best bid and ask resting in a contract, on whatever account; 0 = none."""
        known = self.tops.get(instrument)
        if known is None:
            entries = self.on.get(instrument, {}).values()
            asks = [entry.best_ask for entry in entries if entry.best_ask]
            known = max([entry.best_bid for entry in entries], default=0), min(asks, default=0)
            self.tops[instrument] = known
        return known


def _change(sums: dict[InstrumentId, int], instrument: InstrumentId, by: int) -> None:
    """Add to a sum; what comes to nothing is not kept."""
    after = sums.get(instrument, 0) + by
    if after:
        sums[instrument] = after
    else:
        sums.pop(instrument, None)
