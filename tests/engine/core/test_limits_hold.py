"""Two properties of the limits: no sequence of events and commands sends past one, and each order's check is the sum's.

What is expected is added up here from the orders and positions alone, not by the sums that the gate keeps.
"""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from domain import commands as c
from domain.account import venue_of
from domain.desired import Desired, Strength, Style
from domain.events import OpenOrder, VenuePosition
from domain.order import Amend, Order, OrderKind, Place, Role
from domain.settings import AccountSpec, Limits, StrategySpec
from engine.core.executor.exposure import exposure_of
from engine.core.executor.place import place
from engine.core.executor.valuation import count, total_equity, unit_worth, value, worth
from engine.core.state import Slot
from risk.limits import money
from tests.engine.core.rig import ACCOUNT, BTC, ETH, SUB, WIDE, Rig, aim, quote, target, wants
from tests.engine.core.test_limits import same

DEPOSIT = Decimal(100_000)
RISK = replace(
    WIDE.risk,
    default_limits=Limits(max_position_notional=Decimal(14_000), max_order_notional=Decimal(10_000)),
    max_exposure=Decimal(26_000),
    portfolio={
        "asset_fraction": Decimal("0.1"),
        "portfolio_exposure": Decimal(36_000),
        "leverage": Decimal("0.2"),
        "open_positions": Decimal(3),
        "daily_loss": Decimal(1),
        "portfolio_drawdown": Decimal(1),
        "strategy_drawdown": Decimal(1),
    },
    venue={"PAPER": {"portfolio_exposure": Decimal(34_000)}},
    strategy={"one": {"portfolio_exposure": Decimal(17_000)}},
)
TIGHT = replace(WIDE, accounts=tuple(AccountSpec(id=name, deposit=DEPOSIT) for name in (ACCOUNT, SUB)), risk=RISK)
SPECS = (
    StrategySpec(id="one", kind="script", account=ACCOUNT, instruments=(BTC.id, ETH.id)),
    StrategySpec(id="two", kind="script", account=SUB, instruments=(BTC.id, ETH.id)),
)
SLIPPAGE = Decimal("1.006")
"""An order may be priced so much dearer than the reference at which the sums are checked here."""


def sides(rig: Rig, slot: Slot) -> tuple[int, int]:
    """The furthest long and short that a slot can come to."""
    held = rig.core.position(slot.account, slot.instrument)
    may = [o for o in slot.orders.values() if not o.reduce_only]
    buys = sum(max(o.qty, o.amend_qty) - o.filled for o in may if o.side > 0)
    sells = sum(max(o.qty, o.amend_qty) - o.filled for o in may if o.side < 0)
    return max(0, held + buys), max(0, sells - held)


def worth_of(rig: Rig, slot: Slot, qty: int) -> Decimal:
    return rig.core.instruments[slot.instrument].notional(rig.core.markets[slot.instrument].reference(), qty)


def broken(rig: Rig, slot: Slot, side: int, price: int, *, gross_grew: bool) -> str:
    """Which limit everything together is past, seen from a slot that has just grown on a side; "" = none.

    An order's own position is judged at its price, sums at the reference; a sum only where the slot's larger side grew.
    """
    core = rig.core
    gross: dict[str, Decimal] = {}
    asset = Decimal(0)
    opened = 0
    for one in core.state.slots.values():
        long, short = sides(rig, one)
        value = worth_of(rig, one, max(long, short))
        opened += value > 0
        for scope in ("all", one.account, one.owner):
            gross[scope] = gross.get(scope, Decimal(0)) + value
        if one.instrument == slot.instrument:
            asset += worth_of(rig, one, long if side > 0 else short)
    equity = {name: core.equity(name) for name in core.state.accounts}
    factor = Decimal(2) if core.state.overrides else Decimal(1)
    own = sides(rig, slot)[0 if side > 0 else 1]
    checks = {
        "position": (rig.core.instruments[slot.instrument].notional(price, own), Decimal(14_000)),
        "asset": (asset, sum(equity.values()) * Decimal("0.1") * factor),
        "exposure": (gross["all"], Decimal(34_000)),
        "strategy": (gross[slot.owner] if slot.owner == "one" else Decimal(0), Decimal(17_000)),
        "account": (gross[slot.account], min(Decimal(26_000), equity[slot.account] * Decimal("0.2"))),
        "leverage": (gross["all"], sum(equity.values()) * Decimal("0.2")),
        "open positions": (Decimal(opened), Decimal(3)),
    }
    judged = {"position", "asset"} if not gross_grew else set(checks)
    wrong = [
        f"{name}: {value} > {most}"
        for name, (value, most) in checks.items()
        if name in judged and value > most * SLIPPAGE
    ]
    return "; ".join(wrong)


INSTRUMENTS = st.sampled_from([BTC, ETH])
PRICES = {BTC.id: 600_000, ETH.id: 300_000}
ACTIONS = st.one_of(
    st.tuples(st.just("target"), st.sampled_from(SPECS), INSTRUMENTS, st.floats(-1, 1), st.sampled_from(Style)),
    st.tuples(st.just("strength"), st.sampled_from(SPECS), INSTRUMENTS, st.floats(-1, 1), st.integers(0, 9)),
    st.tuples(st.just("quotes"), st.sampled_from(SPECS), st.floats(0.01, 0.3), st.integers(1, 3), st.integers(1, 40)),
    st.tuples(st.just("price"), INSTRUMENTS, st.floats(0.7, 1.4)),
    st.tuples(st.just("answer"), st.sampled_from(["accept", "fill", "half", "cancel"]), st.integers(0, 5)),
    st.tuples(st.just("wait"), st.floats(0.1, 70)),
    st.tuples(st.just("command"), st.sampled_from(["halt", "resume", "manual", "override", "params"]), INSTRUMENTS),
    st.tuples(st.just("crash")),
    st.tuples(st.just("reckon")),
)


class Driver:
    """Does what Hypothesis draws, and looks at every order that leaves."""

    def __init__(self) -> None:
        self.rig = Rig(TIGHT).start(load=False)
        for spec in SPECS:
            self.rig.load(spec)
        self.sent: list[Place] = []
        self.before: dict[str, tuple[int, int]] = {}
        for instrument in (BTC, ETH):
            self.touch(instrument.id, PRICES[instrument.id])

    def touch(self, instrument: str, price: int) -> None:
        self.rig.touch(price, price + 10, instrument)

    def do(self, action: tuple) -> None:
        rig = self.rig
        self.before = {key: sides(rig, slot) for key, slot in rig.core.state.slots.items()}
        held = {key: rig.core.position(slot.account, slot.instrument) for key, slot in rig.core.state.slots.items()}
        rig.sent.clear()
        getattr(self, action[0])(*action[1:])
        for intent in rig.sent:
            if isinstance(intent, Place):
                self.sent.append(intent)
            if isinstance(intent, Place | Amend) and intent.adds_risk:
                self.look_at(intent, held)

    def look_at(self, intent: Place | Amend, held: dict[str, int]) -> None:
        found = self.rig.core.order(intent.cid)
        if found is None:
            return
        slot, order = found
        index = 0 if order.side > 0 else 1
        moved = abs(self.rig.core.position(slot.account, slot.instrument) - held.get(slot.key, 0))
        now, before = sides(self.rig, slot), self.before.get(slot.key, (0, 0))
        if now[index] - before[index] > moved:
            gross_grew = max(now) - max(before) > moved
            wrong = broken(self.rig, slot, order.side, intent.price or order.price, gross_grew=gross_grew)
            assert not wrong, f"{intent} made it past {wrong}"

    def want(self, strategy: StrategySpec, desired: Desired) -> None:
        self.rig.script_of(strategy.id).wants = desired
        self.rig.touch(*self.prices(BTC.id), BTC.id)

    def prices(self, instrument: str) -> tuple[int, int]:
        market = self.rig.core.markets[instrument]
        return market.bid, market.ask

    def target(self, strategy, instrument, qty, style) -> None:
        scale = 1.0 if instrument is BTC else 10.0
        self.want(strategy, wants(target(qty * scale, f"e{qty}", instrument=instrument.id, style=style)))

    def strength(self, strategy, instrument, value, entry) -> None:
        self.want(strategy, wants(aim(Strength(value), f"s{entry}", instrument=instrument.id)))

    def quotes(self, strategy, qty, levels, ticks) -> None:
        bid, ask = self.prices(BTC.id)
        rows = [quote(1, (bid - n * ticks) / 10, qty, n) for n in range(levels)]
        self.want(strategy, wants(*rows, *[quote(-1, (ask + n * ticks) / 10, qty, n) for n in range(levels)]))

    def price(self, instrument, factor) -> None:
        self.touch(instrument.id, round(PRICES[instrument.id] * factor))

    def answer(self, how, which) -> None:
        working = [p for p in self.sent if self.rig.core.order(p.cid) is not None]
        if not working:
            return
        order = working[which % len(working)]
        left = self.rig.order(order.cid).leaves
        if how == "accept":
            self.rig.accept(order)
        elif how == "cancel":
            self.rig.cancelled(order.cid)
        elif left > 0:
            price = self.rig.core.markets[order.instrument].reference()
            self.rig.fill(order, left if how == "fill" else max(1, left // 2), price)

    def wait(self, seconds) -> None:
        self.rig.wait(seconds)

    def command(self, what, instrument) -> None:
        if what == "halt":
            self.rig.command(c.Halt(), "dot")
        elif what == "resume":
            self.vote(c.Resume())
        elif what == "manual":
            self.rig.command(c.ManualTarget(account=SUB, instrument=instrument.id, qty=Decimal("0.5")), "dot")
        elif what == "params":
            self.rig.command(c.SetParams(strategy="one", params={}), "ann")
        else:
            self.vote(
                c.Override(rule="asset_fraction", scope="portfolio", value=Decimal("0.2"), minutes=5, reason="test")
            )

    def reckon(self) -> None:
        """What is kept of the sums, and of what they are worth, is what comes out when all is counted anew."""
        core = self.rig.core
        count(core)
        kept, amounts = core.tally, valued(self.rig)
        assert amounts == by_hand(self.rig)
        core.recount()
        count(core)
        assert same(kept, core.tally), "the sums kept by difference are those counted anew"
        assert amounts == valued(self.rig), "and so is their worth"
        core.tally = kept

    def vote(self, command: c.Command) -> None:
        self.rig.command(command, "bob")
        for request in list(self.rig.core.state.requests):
            for person in ("cem", "ann"):
                self.rig.command(c.Approve(request=request), person)

    def crash(self) -> None:
        self.rig.crash()
        for account in self.rig.core.state.accounts.values():
            slots = [slot for slot in self.rig.core.state.slots.values() if slot.account == account.id]
            orders = [at_venue(order) for slot in slots for order in slot.orders.values()]
            positions = [
                VenuePosition(instrument=name, qty=held.qty, entry_value=held.entry_value)
                for name, held in account.positions.items()
            ]
            self.rig.snapshot(account.id, cash=account.cash, positions=tuple(positions), orders=tuple(orders))


def valued(rig: Rig) -> list[int]:
    """Equity, worth and margin as the gate has them now."""
    core = rig.core
    for name, instrument in core.instruments.items():
        assert unit_worth(core, name) == money(instrument.notional(core.markets[name].reference(), 1))
    accounts = [value(core, name) for name in core.state.accounts]
    scopes = [core.tally.scopes_of(slot, slot.owner) for slot in core.state.slots.values()]
    return [
        total_equity(core),
        *[account.equity for account in accounts],
        *[account.maintenance for account in accounts],
        *[account.worth for account in accounts],
        worth(core, core.tally.portfolio),
        *[worth(core, sums) for each in scopes for sums in (each.venue, each.strategy)],
    ]


def by_hand(rig: Rig) -> list[int]:
    """The same added up anew from every slot's worst sides."""
    core = rig.core
    names, slots = list(core.state.accounts), list(core.state.slots.values())
    seen = [exposure_of(core, slot) for slot in slots]
    rows = [(slot, worth_of(rig, slot, max(0, e.worst(1), e.worst(-1)))) for slot, e in zip(slots, seen, strict=True)]
    rate = {name: instrument.maintenance_margin for name, instrument in core.instruments.items()}
    zero = Decimal(0)
    equity = [core.equity(name) for name in names]
    amounts = [
        sum(equity, start=zero),
        *equity,
        *[sum((v * rate[s.instrument] for s, v in rows if s.account == name), start=zero) for name in names],
        *[sum((v for s, v in rows if s.account == name), start=zero) for name in names],
        sum((v for _, v in rows), start=zero),
    ]
    for slot in slots:
        venue = [v for s, v in rows if venue_of(s.account) == venue_of(slot.account)]
        amounts += [sum(venue, start=zero), sum((v for s, v in rows if s.owner == slot.owner), start=zero)]
    return [money(amount) for amount in amounts]


def at_venue(order: Order) -> OpenOrder:
    """An order as the venue tells it."""
    return OpenOrder(
        cid=order.cid,
        venue_id="V",
        instrument=order.instrument,
        side=order.side,
        kind=order.kind,
        price=order.price,
        qty=order.qty,
        filled=order.filled,
        trigger=order.trigger,
        reduce_only=order.reduce_only,
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(ACTIONS, min_size=5, max_size=40))
def test_no_sequence_of_events_and_commands_sends_past_a_limit(actions: list[tuple]) -> None:
    driver = Driver()
    for action in actions:
        driver.do(action)
    driver.reckon()


def test_without_the_gate_limits_are_passed_and_that_is_seen() -> None:
    driver = Driver()
    driver.rig.core.gate_on = False
    with pytest.raises(AssertionError, match="past position"):
        driver.do(("quotes", SPECS[0], 0.3, 3, 10))


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 150)), min_size=1, max_size=12),
    st.lists(st.sampled_from([1, -1]), min_size=4, max_size=4),
)
@settings(max_examples=100, deadline=None)
def test_checking_each_order_is_checking_the_sum(orders: list[tuple[int, int]], side_of: list[int]) -> None:
    """At one price: every order of a batch passes if, and only if, all of them together are within every limit."""
    rig = Rig(TIGHT).start(load=False)
    for instrument in (BTC, ETH):
        rig.touch(PRICES[instrument.id], PRICES[instrument.id], instrument.id)
    slots = [rig.slot(instrument.id, account) for account in (ACCOUNT, SUB) for instrument in (BTC, ETH)]
    vetoes = [
        place(rig.core, slots[index], Role.TARGET, side_of[index], OrderKind.IOC, qty, PRICES[slots[index].instrument])
        for index, qty in orders
    ]
    together = [sum(qty for i, qty in orders if i == index) for index in range(4)]
    assert (vetoes == [None] * len(orders)) == within(rig, slots, together, side_of)


def within(rig: Rig, slots: list[Slot], total: list[int], side_of: list[int]) -> bool:
    """Whether all orders together are within every limit."""
    value = [worth_of(rig, slot, qty) for slot, qty in zip(slots, total, strict=True)]
    assets = [
        sum(value[i] for i in range(4) if slots[i].instrument == name and side_of[i] == side)
        for name in (BTC.id, ETH.id)
        for side in (1, -1)
    ]
    accounts = [value[0] + value[1], value[2] + value[3]]
    return (
        max(value) <= 14_000
        and max(assets) <= 20_000
        and max(accounts) <= 20_000
        and sum(value) <= 34_000
        and sum(each > 0 for each in value) <= 3
    )
