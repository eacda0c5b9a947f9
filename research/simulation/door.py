"""The venue's door: every message that leaves the engine passes here and is judged by what the venue knows.

Exposure is reckoned anew from the venue's own books and from what is on the line, never from the engine's.
Of the engine only labels are read: what an order is for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from msgspec import Struct

from domain.events import Event, Filled, Rejected, VenueEvent, VenueSnapshot
from domain.instrument import Instrument
from domain.order import PROTECTIVE, Amend, Intent, Order, OrderStatus, Place, Role
from domain.settings import Settings
from domain.verdict import Reason
from engine.core.core import Core
from engine.core.state import Slot
from exchanges.paper.exchange import PaperExchange
from research.simulation import fuses
from research.simulation.cast import is_thin
from research.simulation.violation import Killed, Violation, require

PRICE_SLACK = Decimal("1.06")
"""Envelopes are judged at the price of their review; prices move until the order leaves."""


class Sent(Struct):
    """One order that left, as the door saw it."""

    place: Place
    role: Role
    slot: str
    owner: str
    amends: dict[int, Amend]
    """Amendments by number: a copy of each may arrive until its time is over, answered or not."""
    left: bool = False
    """It has left the engine."""
    amends_left: int = 0
    """The newest amendment that has."""
    dead: bool = False
    """The engine was told that it was refused, or it died with the process before it left."""


class Door:
    """Checks and counts what leaves, then hands it to the exchange."""

    def __init__(self, settings: Settings, exchange: PaperExchange) -> None:
        self.settings = settings
        self.exchange = exchange
        self.floor = exchange.floor
        self.instruments: dict[str, Instrument] = {i.id: i for i in settings.instruments}
        self.sent: dict[str, Sent] = {}
        self.alive: dict[str, list[Sent]] = {}
        self.messages: dict[str, list[int]] = {}
        self.consumed: dict[tuple[str, str], int] = {}
        """(slot, entry) -> seq of the event that told the engine of a fired protection."""
        self.halted = False
        """Kept by `votes`, as is `held_back`: the venue has an order of a stranger that people have not looked at."""
        self.held_back = False
        self.limit_now: Callable[[Core, Slot, str, Decimal], Decimal] = lambda _core, _slot, _rule, value: value
        """A limit after overrides, kept by `power`."""
        self.core: Core | None = None
        """The engine that runs now; only its labels are read."""
        self.watches_disk = True
        """False: look only at what comes of sending before the journal is on disk."""
        self.kill_in = 0
        self.orders = 0
        self.fills = 0
        self.liquidations: list[Filled] = []
        self.told_fills: dict[str, Filled] = {}
        """Every fill the venue ever made, by account and id."""
        self._tap()

    def _tap(self) -> None:
        """See what happens at the venue, before the line can lose it."""
        emit = self.floor.emit

        def seen(event: VenueEvent, ts_ns: int) -> None:
            if isinstance(event, Filled):
                self.told_fills[f"{event.account}/{event.fill_id}"] = event
                self.fills += 1
                if event.liquidation:
                    self.liquidations.append(event)
            emit(event, ts_ns)

        self.floor.emit = seen

    def refused(self, event: Rejected) -> None:
        """The venue, or its rate limiter, has refused the order."""
        sent = self.sent.get(event.cid)
        if sent is not None and event.reason is not Reason.DUPLICATE:
            sent.dead = True

    def created(self, core: Core, intent: Place | Amend, now_ns: int) -> None:
        """Judge exposure when an order is made, with everything made before it; it may leave much later."""
        if isinstance(intent, Place):
            self.orders += 1
            if intent.cid in self.sent:
                raise Violation("one order per intent", f"{intent} uses an id that was used before")
            slot, order = _known(core, intent)
            sent = Sent(intent, order.role, slot.key, order.owner, {})
        else:
            known = self.sent.get(intent.cid)
            if known is None:
                raise Violation("amend of nothing", f"{intent} was never placed")
            sent = known
        if not sent.place.reduce_only:
            self._judge_risk(core, sent, intent, now_ns)
        if isinstance(intent, Place):
            self.sent[intent.cid] = sent
            self.alive.setdefault(sent.slot, []).append(sent)
        else:
            sent.amends[intent.amend_no] = intent

    def send(
        self,
        core: Core,
        intents: Sequence[Intent],
        now_ns: int,
        *,
        durable_seq: int,
        cause_of: Callable[[Intent], int],
        is_current: bool,
    ) -> None:
        """Judge and pass on. Raises `Violation`, or `Killed` in the middle when that is planned."""
        for intent in intents:
            if isinstance(intent, Place | Amend):
                if not is_current:
                    require(not intent.adds_risk, "one epoch sends", f"{intent} leaves from a run that was superseded")
                    continue
                sent = self.sent[intent.cid]
                if not sent.place.reduce_only:
                    cause = cause_of(intent)
                    if durable_seq < cause and self.watches_disk:
                        text = f"{intent} leaves, caused by seq {cause}, but only {durable_seq} is durable"
                        raise Violation("journaled before sent", text)
                    self._judge_leaving(core, sent, intent, now_ns)
                sent.left = True
                if isinstance(intent, Amend):
                    sent.amends_left = intent.amend_no
                self._count_message(intent, core.state.ts_ns)
            if not is_current:
                continue
            self.exchange.submit((intent,), now_ns)
            if self.kill_in:
                self.kill_in -= 1
                if not self.kill_in:
                    raise Killed

    def _judge_leaving(self, core: Core, sent: Sent, intent: Place | Amend, now_ns: int) -> None:
        if self.halted:
            raise Violation("halted", f"{intent} leaves after trading was halted")
        if self.held_back:
            raise Violation("held back", f"{intent} leaves although nobody has looked at a stranger's order")
        slot, side = core.state.slots[sent.slot], sent.place.side
        fuses.judge_leaving(core, slot, intent)
        # what reduces never waits for room: orders of that kind may have come since this one was judged
        worst = self.worst_side(slot.key, side, now_ns, closes_first=False)
        held = self.floor.accounts[slot.account].qty(slot.instrument) * side
        if isinstance(intent, Place) and worst > max(held, 0) and not self._liquidated_unheard(core, slot.key):
            self._judge_limits(core, slot, intent, self.instruments[slot.instrument].notional(intent.price, worst))
        entry = slot.entry
        if sent.role is Role.TARGET and (sent.slot, entry) in self.consumed:
            raise Violation("entry consumed", f"{intent} buys back entry {entry}, whose protection has fired")

    def _count_message(self, intent: Place | Amend, engine_ns: int) -> None:
        risk = self.settings.risk
        times = self.messages.setdefault(intent.account, [])
        times.append(engine_ns)
        while times and times[0] <= engine_ns - risk.message_window_ns:
            times.pop(0)
        most = 2 * (risk.messages_per_window + risk.reserve_messages)
        require(len(times) <= most, "message rate", f"{len(times)} messages within a window")

    # exposure by the venue's word

    def worst_side(
        self, slot: str, side: int, now_ns: int, *, roles: frozenset[Role] | None = None, closes_first: bool = True
    ) -> int:
        """The furthest that the slot's position can get on a side by all that lives at the venue or is on the line.

        Counted towards the side: +20 for side -1 is a short of 20. `closes_first`: what reduces fills before all else.
        """
        adding = reducing = 0
        alive = [sent for sent in self.alive.get(slot, ()) if self._lives(sent, now_ns)]
        self.alive[slot] = alive
        for sent in alive:
            place = sent.place
            if place.side != side or (roles is not None and sent.role not in roles):
                continue
            left = self._left(sent, now_ns)
            if place.reduce_only:
                reducing += left
            else:
                adding += left
        account, _, instrument = slot.partition("|")
        position = self.floor.accounts[account].qty(instrument) * side
        if position < 0 and closes_first:
            position = min(0, position + reducing)
        return position + adding

    def _left(self, sent: Sent, now_ns: int) -> int:
        """The most that may still fill: what the venue has, or the largest amendment of which a copy may yet arrive."""
        at_venue = self.floor.orders.get(sent.place.cid)
        qty, filled = (at_venue.qty, at_venue.filled) if at_venue is not None else (sent.place.qty, 0)
        for amend in sent.amends.values():
            if now_ns <= amend.valid_until_ns:
                qty = max(qty, amend.qty)
        return qty - filled

    def _lives(self, sent: Sent, now_ns: int) -> bool:
        """True while the order works at the venue or may still arrive there. A refusal is believed until disproved."""
        known = self.core is not None and sent.place.cid in self.core.state.where
        if not sent.left or sent.dead:
            return known
        at_venue = self.floor.orders.get(sent.place.cid)
        if at_venue is not None:
            return at_venue.status is OrderStatus.OPEN
        return now_ns <= sent.place.valid_until_ns

    def _judge_risk(self, core: Core, sent: Sent, intent: Place | Amend, now_ns: int) -> None:
        """Everything that must hold of an order that is not reduce-only."""
        place = sent.place
        account, _, instrument = sent.slot.partition("|")
        contract = self.instruments[instrument]
        side = place.side
        held = self.floor.accounts[account].qty(instrument) * side
        more = further = intent.qty
        if isinstance(intent, Amend):
            at_venue = self.floor.orders.get(place.cid)
            qty, filled = (at_venue.qty, at_venue.filled) if at_venue is not None else (place.qty, 0)
            more, further = max(0, intent.qty - qty), max(0, intent.qty - filled - self._left(sent, now_ns))
        worst = self.worst_side(sent.slot, side, now_ns) + further
        if worst <= max(held, 0) or self._liquidated_unheard(core, sent.slot):
            return
        price = intent.price or place.price
        slot = core.state.slots[sent.slot]
        if more:
            self._judge_limits(core, slot, intent, contract.notional(price, worst), contract.notional(price, more))
            if sent.role is not Role.TARGET or is_plain(slot):
                fuses.judge_size(core, slot, slot.orders[place.cid], contract, more, worst=worst, held=held)
        if sent.role in {Role.QUOTE, Role.TAKE} and more:
            self._judge_envelope(core, sent, worst, price, contract)
        elif sent.role is Role.TARGET:
            self._judge_target(core, sent, now_ns, held, more, intent)

    def _judge_limits(
        self, core: Core, slot: Slot, intent: Place | Amend, position: Decimal, order: Decimal | None = None
    ) -> None:
        """Worth of the position that could come of it, and of the order, against the limits of this moment."""
        limits = self.settings.risk.limits.get(slot.instrument) or self.settings.risk.default_limits
        if limits is None:
            return
        most = self.limit_now(core, slot, "position_notional", limits.max_position_notional)
        if position > most:
            raise Violation("position limit", f"{intent}: {slot.key} could be worth {position} of {most}")
        most = self.limit_now(core, slot, "order_notional", limits.max_order_notional)
        if order is not None and order > most:
            raise Violation("order limit", f"{intent} is worth {order} of {most}")

    def _liquidated_unheard(self, core: Core, slot: str) -> bool:
        """True while the venue has taken a position away and the engine cannot know it yet."""
        return any(
            f"{fill.account}|{fill.instrument}" == slot
            and f"{fill.account}/{fill.fill_id}" not in core.state.fills_seen.get(fill.account, {})
            for fill in self.liquidations
        )

    def _judge_envelope(self, core: Core, sent: Sent, worst: int, price: int, contract: Instrument) -> None:
        """Quotes and takes stay in the strategy's approved envelope."""
        strategy = core.state.strategies.get(sent.owner)
        if strategy is None or is_thin(self.settings):
            return  # equity moves too quickly to judge by it later
        value = contract.notional(price, worst)
        envelope = strategy.envelope
        if envelope is None:
            envelope = core.equity(sent.place.account) * self.settings.approvals.large_fraction
        most = envelope * PRICE_SLACK + contract.notional(price, contract.lot)
        if value > most:
            text = f"{sent.place}: {sent.slot} could reach {worst * sent.place.side}, worth {value}, of {envelope}"
            raise Violation("envelope", text)

    def _judge_target(self, core: Core, sent: Sent, now_ns: int, held: int, more: int, intent: Intent) -> None:
        """What is held, works and is on its way for a target never passes it; people's orders at a price add to it."""
        slot = core.state.slots[sent.slot]
        if not is_plain(slot):
            return
        side = sent.place.side
        worst = self.worst_side(sent.slot, side, now_ns) + more
        beside = sum(o.qty - o.filled for o in slot.orders.values() if o.role is Role.LIMIT and o.side == side)
        goal = (slot.target or 0) * side
        if worst > max(goal, held, 0) + beside:
            text = f"{intent}: {sent.slot} could reach {worst * sent.place.side}, the target in force is {slot.target}"
            raise Violation("no overshoot", text)

    # what the engine is told

    def tell(self, core: Core, event: Event, seq: int) -> None:
        """Note what the engine is about to learn from an event."""
        if isinstance(event, Rejected):
            self.refused(event)
        elif isinstance(event, Filled):
            self._tell_fill(core, event, seq)
        elif isinstance(event, VenueSnapshot):
            for fill in event.fills:
                self._tell_fill(core, fill, seq)

    def _tell_fill(self, core: Core, fill: Filled, seq: int) -> None:
        sent = self.sent.get(fill.cid)
        if sent is None or sent.role not in PROTECTIVE:
            return
        found = core.order(fill.cid)
        order = found[1] if found is not None else core.state.closed.get(fill.cid)
        if order is None or f"{fill.account}/{fill.fill_id}" in core.state.fills_seen.get(fill.account, {}):
            return
        slot = core.state.slots[sent.slot]
        reverses = slot.target is not None and slot.target * fill.side > 0
        entry = (order.entry or slot.entry) if reverses else (slot.entry or order.entry)
        if entry:
            self.consumed.setdefault((sent.slot, entry), seq)

    def forget_after(self, seq: int) -> None:
        """A crash has taken what the engine learned after `seq`, and what had not left."""
        self.consumed = {key: at for key, at in self.consumed.items() if at <= seq}
        for slot in self.alive.values():
            for sent in slot:
                sent.dead |= not sent.left
                sent.left |= sent.dead
                sent.amends = {no: amend for no, amend in sent.amends.items() if no <= sent.amends_left}


def is_plain(slot: Slot) -> bool:
    """True for a slot that works for its target alone."""
    others = any(order.role in {Role.QUOTE, Role.TAKE} for order in slot.orders.values())
    return not (slot.quotes or slot.hedge_lead or others)


def _known(core: Core, place: Place) -> tuple[Slot, Order]:
    found = core.order(place.cid)
    if found is None:
        raise Violation("known before sent", f"{place} is made, but the engine does not know it")
    return found
