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
from risk.limits import LossLimit, money


class Entry(Struct, gc=False):
    """What one slot adds to the sums: its worst long and short (both >= 0), and our best prices resting there."""

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


NONE = Entry("")
"""A slot that adds nothing."""


class Sums(Struct):
    """Everything in one scope: the gross worst sides by contract, in the contract's own scale."""

    gross: dict[InstrumentId, int] = field(default_factory=dict)
    open: int = 0
    """Slots that hold something or may come to."""
    version: int = -1
    worth: int = 0
    """Worth at the reference prices, as of `Tally.version` = `version`."""


class AccountSums(Struct):
    """The same of an account, with its positions; what it is worth is also of this very amount of cash."""

    gross: dict[InstrumentId, int] = field(default_factory=dict)
    open: int = 0
    held: dict[InstrumentId, Entry] = field(default_factory=dict)
    """What holds a position."""
    cash: Decimal = ZERO
    cash_money: int = 0
    """The cash, as `risk.limits.money`."""
    version: int = -1
    worth: int = 0
    maintenance: int = 0
    equity: int = 0


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
    account: AccountSums
    strategy: Sums


class Tally:
    """See the module docstring."""

    def __init__(self) -> None:
        """Nothing is counted yet."""
        self.dirty: dict[SlotKey, None] = {}
        self.entries: dict[SlotKey, Entry] = {}
        """Of the slots that add anything."""
        self.portfolio = Sums()
        self.venues: dict[str, Sums] = {}
        self.accounts: dict[AccountId, AccountSums] = {}
        self.strategies: dict[str, Sums] = {}
        self.scopes: dict[SlotKey, Scopes] = {}
        self.contracts: dict[InstrumentId, Contract] = {}
        self.seq = -1
        self.prices: dict[InstrumentId, int] = {}
        """Worth of one quantity unit, as of event `seq`."""
        self.version = 0
        """Rises whenever prices or entries are other ones: what was valued before is not valid any more."""
        self.cash: tuple[list[Decimal], int] = ([], 0)
        """Cash of every account, and the sum of it."""
        self.day_loss: LossLimit | None = None
        self.peak_loss: LossLimit | None = None
        """What may be lost of the day's equity and of the highest, while both the amount and its limit are these."""
        self.given_back: dict[str, tuple[Decimal, Decimal, int]] = {}
        """By strategy: highest and newest profit, while they are these, with the difference as `risk.limits.money`."""

    def put(
        self, slot: Slot, long: int, short: int, resting: tuple[int, int], position: int, entry_value: Decimal
    ) -> None:
        """Count what a slot adds now: worst sides, best resting prices, and its position with its entry value.

        The entry value is another amount, and not only an equal one, whenever it has changed.
        """
        key, instrument, owner = slot.key, slot.instrument, slot.owner
        contract = self.contracts.get(instrument)
        if contract is None:
            contract = self.contracts[instrument] = Contract()
        entry = self.entries.get(key)
        if entry is None:
            entry = self.entries[key] = contract.slots[key] = Entry(owner)
        elif entry.owner != owner:
            self._move(slot, entry, 0)  # out of the sums of whom it belonged to
            entry.owner = owner
        gross = long if long > short else short  # noqa: FURB136 - on the hot path
        if gross != entry.gross:
            self._move(slot, entry, gross)
        if long != entry.long or short != entry.short:
            contract.long += long - entry.long
            contract.short += short - entry.short
            entry.long, entry.short = long, short
        if resting != (entry.best_bid, entry.best_ask):
            _move_top(contract, entry, *resting)
        if position != entry.position or (position and entry_value is not entry.entry_value):
            self._hold(slot, entry, contract, position, entry_value)
        if not (gross or resting[0] or resting[1]):
            del self.entries[key], contract.slots[key]

    def _move(self, slot: Slot, entry: Entry, gross: int) -> None:
        """Change what a slot adds to the sums that it belongs to while the entry's owner owns it."""
        instrument, scopes, more = slot.instrument, self.scopes_of(slot, entry.owner), gross - entry.gross
        opened = (gross > 0) - (entry.gross > 0)
        for sums in (scopes.portfolio, scopes.venue, scopes.account, scopes.strategy):
            sums.gross[instrument] = sums.gross.get(instrument, 0) + more
            sums.open += opened
        entry.gross = gross

    def _hold(self, slot: Slot, entry: Entry, contract: Contract, position: int, entry_value: Decimal) -> None:
        """Count another position of a slot, or another entry value."""
        held, paid = self.account(slot.account).held, money(entry_value)
        if position:
            held[slot.instrument] = entry
        else:
            del held[slot.instrument]
        contract.net += position - entry.position
        contract.paid += paid - entry.paid
        entry.position, entry.entry_value, entry.paid = position, entry_value, paid

    def scopes_of(self, slot: Slot, owner: str) -> Scopes:
        """Which sums a slot belongs to while this is its owner."""
        known = self.scopes.get(slot.key)
        if known is None or known.owner != owner:
            known = self.scopes[slot.key] = Scopes(
                owner,
                self.portfolio,
                self.venues.setdefault(venue_of(slot.account), Sums()),
                self.account(slot.account),
                self.strategies.setdefault(owner, Sums()),
            )
        return known

    def account(self, name: AccountId) -> AccountSums:
        """The sums of an account, made on first use."""
        known = self.accounts.get(name)
        if known is None:
            known = self.accounts[name] = AccountSums()
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


def _move_top(contract: Contract, entry: Entry, bid: int, ask: int) -> None:
    """Count a slot's best resting prices; where the contract's best one goes it is looked for anew."""
    if contract.top is not None:
        best_bid, best_ask = contract.top
        if (entry.best_bid and entry.best_bid == best_bid) or (entry.best_ask and entry.best_ask == best_ask):
            contract.top = None
        else:
            contract.top = max(best_bid, bid), ask if not best_ask or 0 < ask < best_ask else best_ask
    entry.best_bid, entry.best_ask = bid, ask
