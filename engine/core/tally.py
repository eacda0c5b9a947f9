"""Worst sides added up over slots, kept current by difference: what one event changed is counted anew, nothing else.

Derived from the state and never saved. Whatever changes an order's size or price, a position or an owner marks its
slot in `Tally.dirty`; `engine.core.executor.valuation.count` brings the sums up to date before they are read. A new
`Tally` is begun where settings change and after a recovery (`Core.recount`).
"""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct, field

from domain.account import venue_of
from domain.instrument import ZERO, AccountId, InstrumentId
from engine.core.state import Slot, SlotKey
from risk.limits import LossLimit

PORTFOLIO = "portfolio"


class Entry(Struct, gc=False):
    """What one slot adds to the sums: its worst long and short (both >= 0), and our best prices resting there."""

    account: AccountId
    instrument: InstrumentId
    owner: str
    long: int = 0
    short: int = 0
    gross: int = 0
    """The larger of both sides: they cannot both come about."""
    best_bid: int = 0
    best_ask: int = 0
    position: int = 0
    entry_value: Decimal = ZERO
    paid: int = 0
    """Entry value of the position, as `risk.limits.money`."""


NONE = Entry("", "", "")
"""A slot that adds nothing."""


class Sums(Struct):
    """Everything in one scope: the gross worst sides by contract, in the contract's own scale."""

    gross: dict[InstrumentId, int] = field(default_factory=dict)
    open: int = 0
    """Slots that hold something or may come to."""
    version: int = -1
    worth: int = 0
    """Worth at the reference prices, as of `Tally.version` = `version`."""


class Contract(Struct):
    """All slots of one contract together: worst sides, positions and what was paid for them."""

    long: int = 0
    short: int = 0
    net: int = 0
    paid: int = 0
    slots: dict[SlotKey, Entry] = field(default_factory=dict)
    """Those that add anything."""
    top: tuple[int, int] | None = None
    """Our best bid and ask resting in it, on whatever account; None = to be looked for."""


class Scopes(Struct, frozen=True):
    """The sums that a slot belongs to while `owner` owns it."""

    owner: str
    portfolio: Sums
    venue: Sums
    account: Sums
    strategy: Sums


class Equity(Struct, gc=False):
    """An account's equity as of `Tally.version` = `version`, while its cash is this very amount."""

    version: int = -1
    cash: Decimal = ZERO
    cash_money: int = 0
    """The cash, as `risk.limits.money`."""
    equity: int = 0


class Tally:
    """See the module docstring."""

    def __init__(self) -> None:
        """Nothing is counted yet."""
        self.dirty: dict[SlotKey, None] = {}
        self.entries: dict[SlotKey, Entry] = {}
        self.sums: dict[str, Sums] = {PORTFOLIO: Sums()}
        """By scope."""
        self.scopes: dict[SlotKey, Scopes] = {}
        self.contracts: dict[InstrumentId, Contract] = {}
        self.held: dict[AccountId, dict[InstrumentId, Entry]] = {}
        """The positions of each account."""
        self.seq = -1
        self.prices: dict[InstrumentId, int] = {}
        """Worth of one quantity unit, as of event `seq`."""
        self.version = 0
        """Rises whenever prices or entries are other ones: what was valued before is not valid any more."""
        self.equity: dict[AccountId, Equity] = {}
        self.cash: tuple[list[Decimal], int] = ([], 0)
        """Cash of every account, and the sum of it."""
        self.losses: dict[str, LossLimit] = {}
        """Of the highest equity and of the day's, while both the amount and its limit are these."""
        self.given_back: dict[str, tuple[Decimal, Decimal, int]] = {}
        """By strategy: highest and newest profit, while they are these, with the difference as `risk.limits.money`."""

    def put(self, key: SlotKey, entry: Entry | None) -> None:
        """Replace what a slot adds; None = nothing."""
        before = self.entries.get(key)
        if before == entry:
            return
        was, now = before or NONE, entry or NONE
        of = entry or was
        instrument = of.instrument
        contract = self.contracts.get(instrument)
        if contract is None:
            contract = self.contracts[instrument] = Contract()
        if contract.top is not None:
            _move_top(contract, was, now)
        if before is not None and entry is not None and before.owner != entry.owner:
            self._move(key, was, -was.gross, -(was.gross > 0))
            self._move(key, now, now.gross, int(now.gross > 0))
        elif now.gross != was.gross:
            self._move(key, of, now.gross - was.gross, (now.gross > 0) - (was.gross > 0))
        contract.long += now.long - was.long
        contract.short += now.short - was.short
        if now.position != was.position or now.paid != was.paid:
            contract.net += now.position - was.position
            contract.paid += now.paid - was.paid
        if entry is None:
            del self.entries[key], contract.slots[key]
        else:
            self.entries[key] = contract.slots[key] = entry
        if now.position:
            self.held.setdefault(now.account, {})[instrument] = now
        elif was.position:
            del self.held[was.account][instrument]

    def _move(self, key: SlotKey, of: Entry, gross: int, opened: int) -> None:
        """Add a difference to every sum that a slot of this owner belongs to."""
        instrument, scopes = of.instrument, self.scopes_of(key, of)
        for sums in (scopes.portfolio, scopes.venue, scopes.account, scopes.strategy):
            sums.gross[instrument] = sums.gross.get(instrument, 0) + gross
            sums.open += opened

    def scopes_of(self, key: SlotKey, of: Entry | Slot) -> Scopes:
        """Which sums a slot belongs to."""
        known = self.scopes.get(key)
        if known is None or known.owner != of.owner:
            names = (PORTFOLIO, f"venue:{venue_of(of.account)}", f"account:{of.account}", f"strategy:{of.owner}")
            portfolio, venue, account, strategy = [self.sums.setdefault(name, Sums()) for name in names]
            known = self.scopes[key] = Scopes(of.owner, portfolio, venue, account, strategy)
        return known

    def top(self, instrument: InstrumentId) -> tuple[int, int]:
        """Our best bid and ask resting in a contract, on whatever account; 0 = none."""
        contract = self.contracts.get(instrument)
        if contract is None:
            return 0, 0
        if contract.top is None:
            entries = contract.slots.values()
            asks = [entry.best_ask for entry in entries if entry.best_ask]
            contract.top = max([entry.best_bid for entry in entries], default=0), min(asks, default=0)
        return contract.top


def _move_top(contract: Contract, was: Entry, now: Entry) -> None:
    """Keep the best resting prices; where the best one goes they are looked for anew."""
    bid, ask = contract.top or (0, 0)
    if (was.best_bid and was.best_bid == bid) or (was.best_ask and was.best_ask == ask):
        contract.top = None
    else:
        lowest = now.best_ask if not ask or 0 < now.best_ask < ask else ask
        contract.top = max(bid, now.best_bid), lowest
