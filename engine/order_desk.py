"""People's own orders, before and while they work: estimates from the live book, limits and votes, and progress.

Read-only: an estimate looks with the core's own functions at a copy of the slot, so that it says what the core would.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from domain import commands as c
from domain.errors import Unrepresentable
from domain.facts import TradingState
from domain.instrument import ZERO, Instrument
from domain.market import Level
from domain.order import Order, Role
from domain.order_views import LimitUse, OrderPreview, OrderProgress
from domain.verdict import REASONS, Reason, Veto
from engine.core import limits, manual, requests, review, wide
from engine.core.commands import explain
from engine.core.core import Core
from engine.core.executor.exposure import exposure_of
from engine.core.executor.place import check_band, check_state
from engine.core.executor.targets import taking_price
from engine.core.market import Market
from engine.core.resting import Resting
from engine.core.state import MANUAL, Slot, slot_key
from engine.desk_views import price as price_of
from engine.desk_views import qty as qty_of
from risk import approvals as quorum
from risk import policy
from risk.gate import PPM, Exposure, adds_risk, check_exposure
from risk.limits import MONEY_DECIMALS, Measured

MILLI_NS = 1_000_000
_BASIS = Decimal("0.000001")
Command = c.ManualTarget | c.ManualLimit


_ASKED: Final = (Role.TARGET, Role.LIMIT)
"""Roles of the orders that carry out what a person asked for; a stop or a flatten of the same entry is none of it."""


class OrderDesk:
    """Answers of one engine about orders by hand; `average_of` knows what an order paid."""

    def __init__(self, core: Core, average_of: Callable[[str, Decimal], Decimal | None]) -> None:
        """Look at a core. `average_of` gives the average price of an order of which so much has filled."""
        self._core = core
        self._average_of = average_of

    def preview(self, command: Command, person: str, now_ns: int) -> OrderPreview | str:
        """What an order would do if it were sent now; or why nothing can be said of it."""
        core = self._core
        wish = _wish(core, command, person)
        if isinstance(wish, str):
            return wish
        slot, instrument, market = _copy_of(core, command), core.instruments[command.instrument], _market(core, command)
        limit = wish.price if isinstance(command, c.ManualLimit) else 0
        bound = taking_price(core, slot, wish.side)
        cost = walk(market, wish.side, wish.qty, limit)
        mid = market.reference()
        held = core.position(slot.account, slot.instrument)
        base = manual.in_force(core, slot)
        coming = wish.side * sum(other.left for other in slot.resting.values() if other.side == wish.side)
        added = policy.added_exposure(base + coming + wish.side * wish.qty, base + coming)
        price = limit or cost.average or mid
        adds = adds_risk(wish.side, wish.qty, exposure_of(core, slot))
        votes, large = _votes(core, slot, price, added)
        approvers = _approvers(core, person) if votes else ()
        refusal = _refusal(core, slot, command, wish, base)
        if not refusal and votes:
            refusal = _unreachable(core, person, votes)
        average = Decimal(cost.value) / cost.qty if cost.qty else Decimal(price)
        taker_part, rest = (cost.qty, wish.qty - cost.qty) if limit else (wish.qty, 0)
        return OrderPreview(
            account=slot.account,
            instrument=slot.instrument,
            qty=qty_of(instrument, wish.side * wish.qty),
            limit=price_of(instrument, limit),
            bid=price_of(instrument, market.bid),
            ask=price_of(instrument, market.ask),
            price_age_ms=max(0, now_ns - market.ts_ns) // MILLI_NS,
            notional=instrument.notional(price, wish.qty),
            depth=cost.depth,
            takes=qty_of(instrument, taker_part),
            beyond=qty_of(instrument, cost.beyond),
            average=_shown(instrument, average),
            worst=price_of(instrument, cost.worst or price),
            slippage=((average - mid) * wish.side / mid).quantize(_BASIS) if cost.qty else ZERO,
            bound=price_of(instrument, limit or bound),
            fee_taker=instrument.fee(round(average), taker_part, instrument.taker_fee),
            fee_maker=instrument.fee(price, rest if limit else wish.qty, instrument.maker_fee),
            before=qty_of(instrument, held),
            after=qty_of(instrument, base + wish.side * wish.qty),
            adds=adds,
            limits=_uses(core, slot, wish, price, added, large) if adds else (),
            refusal=refusal,
            votes=votes,
            approvers=approvers,
            large=large,
        )

    def progress(self, account: str, instrument: str, entry: str) -> OrderProgress:
        """What has become so far of the order that was given this entry id."""
        core = self._core
        slot, contract = core.state.slots.get(slot_key(account, instrument)), core.instruments[instrument]
        live, known = slot.orders.values() if slot is not None else (), core.state.closed.values()
        working = [order for order in live if order.entry == entry and order.role in _ASKED]
        closed = [o for o in known if o.entry == entry and o.instrument == instrument and o.role in _ASKED]
        filled = sum(order.filled for order in (*closed, *working))
        wish = slot.resting.get(entry) if slot is not None else None
        is_wanted = wish is not None or bool(working) or (slot is not None and _is_short_of(core, slot, entry))
        return OrderProgress(
            filled=qty_of(contract, filled),
            average=self._average(contract, [*closed, *working]),
            fee=sum((order.fee for order in (*closed, *working)), start=ZERO),
            working=len(working),
            is_wanted=is_wanted,
            trouble=_trouble(core, slot, contract) if slot is not None and is_wanted else "",
        )

    def cancellable(self) -> list[str]:
        """Ids that a person may cancel: working orders, and what waits to be placed again."""
        slots = self._core.state.slots.values()
        waiting = [wish.id for slot in slots for wish in slot.resting.values() if wish.cid not in slot.orders]
        return [*self._core.state.where, *waiting]

    def is_open(self, order: str) -> bool:
        """Whether an order, by its client id or by what the engine calls a person's, can still be cancelled."""
        state = self._core.state
        return order in state.where or any(order in slot.resting for slot in state.slots.values())

    def _average(self, contract: Instrument, orders: Sequence[Order]) -> Decimal | None:
        """Average price over several orders; None while nothing has filled, or when a fill is not known any more."""
        value = qty = ZERO
        for order in orders:
            filled = qty_of(contract, order.filled)
            average = self._average_of(order.cid, filled) if filled else ZERO
            if average is None:
                return None
            value, qty = value + average * filled, qty + filled
        return value / qty if qty else None


class Cost:
    """What taking a quantity from the book would cost, in integer scale."""

    def __init__(self, depth: str) -> None:
        """Nothing was taken yet; `depth` is `book` or `touch`."""
        self.depth = depth
        self.qty = self.value = self.worst = self.beyond = 0

    @property
    def average(self) -> int:
        """Nearest integer of the average price, 0 while nothing was taken."""
        return round(Decimal(self.value) / self.qty) if self.qty else 0


def walk(market: Market, side: int, qty: int, limit: int) -> Cost:
    """Take `qty` from the known levels of the other side, no further than `limit` (0 = as far as they reach).

    A touch that moved after the book was seen is the only price that is known to be there.
    """
    levels: Sequence[Level] = market.asks if side > 0 else market.bids
    touch = (market.ask, market.ask_qty) if side > 0 else (market.bid, market.bid_qty)
    has_book = bool(levels) and levels[0][0] == touch[0]
    cost = Cost("book" if has_book else "touch")
    for price, there in levels if has_book else (touch,):
        if not price or (limit and (price - limit) * side > 0) or cost.qty >= qty:
            break
        part = min(there, qty - cost.qty)
        cost.qty += part
        cost.value += part * price
        cost.worst = price
    cost.beyond = 0 if limit else qty - cost.qty
    return cost


def _wish(core: Core, command: Command, person: str) -> Resting | str:
    """The order in integers, or what is wrong with it."""
    found = manual.find_or_none(core, command.account, command.instrument)
    if found is not None:
        return explain(found)
    if not _market(core, command).reference():
        return explain(Veto(Reason.PRICE_UNKNOWN))
    instrument = core.instruments[command.instrument]
    try:
        if isinstance(command, c.ManualLimit):
            return manual.wish_of(core, instrument, person, command)
        qty = instrument.qty(command.qty)
    except Unrepresentable as error:
        return explain(Veto(Reason.BAD_VALUE, str(error)))
    if not qty:
        return explain(Veto(Reason.BAD_VALUE, "the quantity is zero"))
    return Resting("", 1 if qty > 0 else -1, 0, abs(qty), 0, person)


def _market(core: Core, command: Command) -> Market:
    return core.markets[command.instrument]


def _copy_of(core: Core, command: Command) -> Slot:
    """The slot as if it were a person's, without touching the one in the state."""
    key = slot_key(command.account, command.instrument)
    known = core.state.slots.get(key) or Slot(key, command.account, command.instrument)
    return replace(known, owner=manual.manual_id(command.account, command.instrument), added=list(known.added))


def _refusal(core: Core, slot: Slot, command: Command, wish: Resting, base: int) -> str:
    """Why the core would refuse it now, by the same looks in the same order; "" = it would not."""
    known = core.state.slots.get(slot.key)
    free = manual.slot_for(core, command.account, command.instrument) if known is not None else None
    if isinstance(free, Veto):
        return explain(free)
    price = wish.price or taking_price(core, slot, wish.side)
    goal = base + wish.side * wish.qty
    if isinstance(command, c.ManualLimit):
        same_side = sum(other.left for other in slot.resting.values() if other.side == wish.side)
        goal += wish.side * same_side
        veto = manual.obstacle(core, slot, goal) or manual.price_in_the_way(core, slot, wish)
    else:
        veto = manual.obstacle(core, slot, goal) or manual.limit_in_the_way(core, slot, goal)
    if veto is None and adds_risk(wish.side, wish.qty, exposure_of(core, slot)):
        veto = check_state(core, slot) or check_band(_market(core, command))
        veto = veto or _limits_refuse(core, slot, wish, price, exposure_of(core, slot))
    return explain(veto) if veto is not None else ""


def _limits_refuse(core: Core, slot: Slot, wish: Resting, price: int, now: Exposure) -> Veto | None:
    found = limits.limits_of(core, slot)
    if found is None:
        return Veto(Reason.LIMIT_MISSING, slot.instrument)
    worst = now.worst(wish.side) + wish.qty
    veto = check_exposure(found.gate, core.instruments[slot.instrument], wish.qty, price, worst)
    if veto is not None:
        return veto
    gross = max(worst, now.worst(-wish.side))
    seen = wide.measure(core, slot, found, wish.side, price, worst, gross)
    return wide.judge(core, slot, found, seen, wish.side, price, gross)


def _votes(core: Core, slot: Slot, price: int, added: int) -> tuple[int, Decimal]:
    """Votes that it would wait for, and from which added notional on."""
    settings, now = core.state.settings.approvals, core.state.ts_ns
    if not settings.enabled:
        return 0, ZERO
    recent = sum(qty for at, of, qty in slot.added if of == MANUAL and now - at < settings.window_ns)
    large = review.large_now(core, slot, since_ns=now - settings.window_ns)
    instrument = core.instruments[slot.instrument]
    notional = policy.needs_approval(added, recent_qty=recent, price=price, instrument=instrument, large_notional=large)
    return (settings.order_votes if notional is not None else 0), large


def _approvers(core: Core, person: str) -> tuple[str, ...]:
    role = core.state.settings.approvals.approver_role
    return tuple(p.name or p.id for p in core.persons.values() if p.role >= role and p.id != person)


def _unreachable(core: Core, person: str, votes: int) -> str:
    """Why nobody could be asked for it now."""
    terms = quorum.terms_of(core.state.settings.approvals, votes)
    if not quorum.reachable(core.state.settings.persons, requester=person, terms=terms):
        return explain(Veto(Reason.QUORUM_UNREACHABLE))
    veto = requests.fatigue(core, person)
    return explain(veto) if veto is not None else ""


def _uses(core: Core, slot: Slot, wish: Resting, price: int, added: int, large: Decimal) -> tuple[LimitUse, ...]:
    """Every limit that the order comes nearer to, the tightest first."""
    found = limits.limits_of(core, slot)
    if found is None:
        return ()
    now, instrument = exposure_of(core, slot), core.instruments[slot.instrument]
    worst, other = now.worst(wish.side), now.worst(-wish.side)
    then = worst + wish.qty
    after = wide.measure(core, slot, found, wish.side, price, then, max(then, other))
    before = wide.measure(core, slot, found, wish.side, price, worst, max(worst, other))
    rows = [
        _use("order", ZERO, instrument.notional(price, wish.qty), found.gate.max_order_notional),
        _use(
            "position",
            instrument.notional(price, max(0, worst)),
            instrument.notional(price, max(0, then)),
            found.gate.max_position_notional,
        ),
        *_wide_uses(found, before, after),
    ]
    if large and added:
        settings = core.state.settings.approvals
        recent = sum(qty for at, of, qty in slot.added if of == MANUAL and core.state.ts_ns - at < settings.window_ns)
        now_worth, then_worth = instrument.notional(price, recent), instrument.notional(price, recent + added)
        rows.append(_use("without a vote", now_worth, then_worth, large))
    return tuple(sorted((row for row in rows if row.most > 0), key=lambda row: row.after / row.most, reverse=True))


def _wide_uses(found: limits.Limits, before: Measured, after: Measured) -> list[LimitUse]:
    equity = _usd(after.equity)
    wide_limits = found.wide
    rows = [
        _use(
            f"{after.asset} everywhere",
            _usd(before.asset_worth),
            _usd(after.asset_worth),
            equity * wide_limits.asset_ppm / PPM,
        ),
        _use("portfolio", _usd(before.gross), _usd(after.gross), _usd(wide_limits.exposure)),
        _use("account", _usd(before.account_gross), _usd(after.account_gross), found.gate.max_exposure),
    ]
    if equity > 0:
        rows.append(
            LimitUse(
                name="leverage",
                before=(_usd(before.gross) / equity).quantize(Decimal("0.01")),
                after=(_usd(after.gross) / equity).quantize(Decimal("0.01")),
                most=Decimal(wide_limits.leverage_ppm) / PPM,
                unit="x",
            )
        )
    if after.opens:
        positions = Decimal(after.positions)
        rows.append(
            LimitUse(
                name="open positions",
                before=positions - 1,
                after=positions,
                most=Decimal(wide_limits.positions),
                unit="",
            )
        )
    return rows


def _use(name: str, before: Decimal, after: Decimal, most: Decimal) -> LimitUse:
    cent = Decimal("0.01")
    return LimitUse(name=name, before=before.quantize(cent), after=after.quantize(cent), most=most.quantize(cent))


def _usd(value: int) -> Decimal:
    return Decimal(value).scaleb(-MONEY_DECIMALS)


def _shown(instrument: Instrument, average: Decimal) -> Decimal:
    """An average price with one digit more than the instrument's own."""
    shown = average.scaleb(-instrument.price_decimals)
    return shown.quantize(Decimal(1).scaleb(-instrument.price_decimals - 1))


def _is_short_of(core: Core, slot: Slot, entry: str) -> bool:
    """Whether the executor still works for the target that this entry set."""
    if slot.entry != entry or slot.target is None:
        return False
    return slot.target != core.position(slot.account, slot.instrument)


def _trouble(core: Core, slot: Slot, contract: Instrument) -> str:
    """What stands in the way of an order that still wants something."""
    trading = core.state.accounts[slot.account].trading
    if trading is not TradingState.ACTIVE:
        return f"trading is {trading.upper()}"
    if slot.hold:
        return f"{contract.id} is on hold"
    if slot.refused:
        reason = REASONS[slot.refused]
        return f"{reason.value}: {reason.words}{f' ({slot.refused_detail})' if slot.refused_detail else ''}"
    return ""
