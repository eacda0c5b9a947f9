"""Fills as people want to hear of them: one message an order, edited while it fills.

The first fill is told after a short wait, what follows edits the message, and the end of the order marks it done. When
many orders fill at once, those beyond `MAX_OWN` share a round-up now and then. Pure: the time is passed in; the state
is plain data, so that a run goes on where the last one stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal

from msgspec import Struct, field

from bot.message import Block, Message, Pairs, Table, Text, base_name, money, number
from domain.facts import FillBooked, OrderChanged
from domain.instrument import Instrument
from domain.views import owner_words

ZERO = Decimal(0)
MAX_OWN = 4
"""Orders with a message of their own that is still edited, and such messages begun within a round-up's time."""
ROUND_UP_INTERVALS = 4
KEPT_ENDS = 1_000
WAITS_FOR_END_NS = 86_400_000_000_000
"""A message about an order that never ends is let go after so long without a fill."""


class Pace(Struct, frozen=True):
    """How long the first fill waits for others, and how often at most a message is edited."""

    wait_ns: int
    interval_ns: int


class Tally(Struct, kw_only=True):
    """What has filled of one order. `ordered` is its size (0 = not known), `end` what became of it ("" = open)."""

    cid: str
    owner: str
    instrument: str
    side: int
    ordered: Decimal = ZERO
    end: str = ""
    qty: Decimal = ZERO
    value: Decimal = ZERO
    """Sum of price times quantity: what the average is made of."""
    worth: Decimal = ZERO
    fee: Decimal = ZERO
    realised: Decimal = ZERO
    fills: int = 0
    first_ns: int = 0
    last_ns: int = 0
    price_step: Decimal = ZERO
    """One unit of the last decimal of a price."""

    @property
    def average(self) -> Decimal:
        """Average price, to the instrument's decimals."""
        return (self.value / self.qty).quantize(self.price_step) if self.qty else ZERO


class Card(Struct, kw_only=True):
    """One message: the fills of one order, or a round-up of several."""

    event: str
    is_round_up: bool
    begun_ns: int
    due_ns: int
    """When it is to be sent or edited; 0 = what was sent is up to date."""
    orders: dict[str, Tally] = field(default_factory=dict)
    version: int = 0
    """How often it was sent; the first is the message, the others edit it."""

    @property
    def is_over(self) -> bool:
        """Whether nothing is expected any more."""
        return all(order.end for order in self.orders.values())

    @property
    def fills(self) -> int:
        """How many fills it tells of."""
        return sum(order.fills for order in self.orders.values())


class FillCards(Struct, kw_only=True):
    """The messages of one audience that may still change. `name` keeps its events apart from others'."""

    name: str = ""
    cards: dict[str, Card] = field(default_factory=dict)
    place: dict[str, str] = field(default_factory=dict)
    """The card of each order."""
    ends: dict[str, tuple[Decimal, str]] = field(default_factory=dict)
    """Size and end of orders whose fill has not been seen yet."""
    begun: list[int] = field(default_factory=list)
    """When the last messages of single orders were begun."""

    def book(self, fill: FillBooked, contract: Instrument, pace: Pace, now_ns: int) -> None:
        """A fill: into the card of its order, or a new one."""
        card = self.cards.get(self.place.get(fill.cid, "")) or self._card_for(fill, pace, now_ns)
        tally = card.orders.get(fill.cid)
        if tally is None:
            ordered, end = self.ends.pop(fill.cid, (ZERO, ""))
            tally = card.orders[fill.cid] = Tally(
                cid=fill.cid,
                owner=fill.owner,
                instrument=fill.instrument,
                side=fill.side,
                ordered=ordered,
                end=end,
                first_ns=fill.ts_ns,
                price_step=Decimal(1).scaleb(-contract.price_decimals),
            )
            self.place[fill.cid] = card.event
        qty = Decimal(fill.qty).scaleb(-contract.qty_decimals)
        tally.qty += qty
        tally.value += qty * Decimal(fill.price).scaleb(-contract.price_decimals)
        tally.worth += contract.notional(fill.price, fill.qty)
        tally.fee += fill.fee
        tally.realised += fill.realised
        tally.fills += 1
        tally.last_ns = fill.ts_ns
        card.due_ns = card.due_ns or now_ns + pace.interval_ns * (ROUND_UP_INTERVALS if card.is_round_up else 1)

    def follow(self, fact: OrderChanged, contract: Instrument, now_ns: int) -> None:
        """An order has changed: its size, and whether it is over. A card that is over then is due at once."""
        if not fact.filled and fact.cid not in self.place:
            return
        end = fact.status.name.lower() if fact.status.is_terminal else ""
        ordered = Decimal(fact.qty).scaleb(-contract.qty_decimals)
        card = self.cards.get(self.place.get(fact.cid, ""))
        if card is None:
            self.ends[fact.cid] = ordered, end
            if len(self.ends) > KEPT_ENDS:
                del self.ends[next(iter(self.ends))]
            return
        tally = card.orders[fact.cid]
        tally.ordered = ordered
        if end and not tally.end:
            tally.end = end
            if card.is_over and card.version and not card.is_round_up:
                card.due_ns = now_ns

    def catch_up(self, found: Callable[[str], tuple[Decimal, str] | None], now_ns: int) -> None:
        """After a restart: what became of the orders meanwhile; one that is not found any more is over."""
        for card in self.cards.values():
            for tally in card.orders.values():
                if not tally.end:
                    tally.ordered, tally.end = found(tally.cid) or (tally.ordered, "closed")
                    card.due_ns = card.due_ns or (now_ns if tally.end else 0)

    def due(self, pace: Pace, now_ns: int) -> list[Card]:
        """Cards to be sent now; each is counted as sent. Those that are over then, or stale, are forgotten."""
        most_ns = 2 * ROUND_UP_INTERVALS * pace.interval_ns + pace.wait_ns  # later than that: the clock was put back
        ready = [card for card in self.cards.values() if card.due_ns and not 0 < card.due_ns - now_ns <= most_ns]
        for card in ready:
            card.version += 1
            card.due_ns = 0
        for card in list(self.cards.values()):
            last_ns = max((order.last_ns for order in card.orders.values()), default=card.begun_ns)
            is_closed = card.is_over and not card.due_ns and not (card.is_round_up and self._takes(card, pace, now_ns))
            if card.version and (is_closed or now_ns - last_ns > WAITS_FOR_END_NS):
                self._forget(card)
        return ready

    def _card_for(self, fill: FillBooked, pace: Pace, now_ns: int) -> Card:
        round_up_ns = ROUND_UP_INTERVALS * pace.interval_ns
        self.begun = [ns for ns in self.begun if 0 <= now_ns - ns < round_up_ns]
        is_own = max(len(self.begun), sum(not card.is_round_up for card in self.cards.values())) < MAX_OWN
        shared = next((card for card in self.cards.values() if self._takes(card, pace, now_ns)), None)
        if not is_own and shared is not None:
            return shared
        card = Card(
            event=f"fills:{self.name}:{fill.seq}:{fill.index}",
            is_round_up=not is_own,
            begun_ns=now_ns,
            due_ns=now_ns + (pace.wait_ns if is_own else round_up_ns),
        )
        self.cards[card.event] = card
        if is_own:
            self.begun.append(now_ns)
        return card

    @staticmethod
    def _takes(card: Card, pace: Pace, now_ns: int) -> bool:
        """Whether a round-up still takes other orders: until it is told."""
        return card.is_round_up and not card.version and now_ns - card.begun_ns < ROUND_UP_INTERVALS * pace.interval_ns

    def _forget(self, card: Card) -> None:
        del self.cards[card.event]
        for cid in card.orders:
            self.place.pop(cid, None)


def message(card: Card, names: list[str], clock: Callable[[int], str]) -> Message:
    """A card for people; `names` are the instruments there are, `clock` writes a time of day in the reader's zone."""
    if len(card.orders) == 1:
        return _of_one(next(iter(card.orders.values())), names, clock)
    owners: dict[str, list[Tally]] = {}
    for tally in card.orders.values():
        owners.setdefault(_whose(tally), []).append(tally)
    blocks: list[Block] = []
    for owner, tallies in owners.items():
        blocks += [Text(owner), _table(tallies, names)]
    return Message(title=f"Fills: {card.fills} of {len(card.orders)} orders", blocks=tuple(blocks))


def _whose(tally: Tally) -> str:
    return owner_words(tally.owner) or "not ordered here"


def _of_one(tally: Tally, names: list[str], clock: Callable[[int], str]) -> Message:
    base = base_name(tally.instrument, names)
    whole = tally.ordered or tally.qty
    part = f"{number(tally.qty)} {base}" if tally.qty == whole else f"{number(tally.qty)} of {number(whole)} {base}"
    did, does = ("bought", "buying") if tally.side > 0 else ("sold", "selling")
    if not tally.end:
        title = f"{_whose(tally)}: {does}, {part} at {number(tally.average)} so far"
    else:
        rest = "" if tally.end == "filled" or tally.qty >= whole else f", the rest is {tally.end}"
        title = f"{_whose(tally)}: {did} {part} at {number(tally.average)}{rest}"
    over = f" to {clock(tally.last_ns)}" if tally.last_ns // 10**9 > tally.first_ns // 10**9 else ""
    rows = [
        ("worth", money(tally.worth)),
        ("fee", money(tally.fee)),
        ("fills", f"{tally.fills}, {clock(tally.first_ns)}{over}"),
    ]
    if tally.realised:
        rows.insert(1, ("earned", f"{money(tally.realised - tally.fee, sign=True)} after the fee"))
    return Message(title=title, blocks=(Pairs(tuple(rows)),))


def _table(tallies: Iterable[Tally], names: list[str]) -> Table:
    """One row per instrument and side: quantity, count of fills, average price, what it earned after fees."""
    groups: dict[tuple[str, int], list[Tally]] = {}
    for tally in tallies:
        groups.setdefault((tally.instrument, tally.side), []).append(tally)
    rows = []
    for (instrument, side), members in groups.items():
        quantity = sum((one.qty for one in members), ZERO)
        value = sum((one.value for one in members), ZERO)
        net = sum((one.realised - one.fee for one in members), ZERO)
        price = (value / quantity).quantize(members[0].price_step) if quantity else ZERO
        what = f"{'buy' if side > 0 else 'sell'} {number(quantity)} {base_name(instrument, names)}"
        fills = str(sum(one.fills for one in members))
        rows.append((what, fills, number(price), money(net, sign=True)))
    return Table(("what", "fills", "average", "net"), tuple(rows))
