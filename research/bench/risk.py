"""What risk costs on a full desk: fifty strategies with twenty contracts each, two quotes resting in every slot.

Every strategy has an account of its own, so that there are a thousand slots and two thousand working orders. The gate
is timed on one order that adds risk; policy on one strategy's whole wish (twenty targets, sized and clipped). Prices
and equity are valued anew each time, as they are at every event.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal

from msgspec.structs import replace

from domain.account import Account
from domain.desired import Desired, Strength, Target
from domain.facts import TradingState
from domain.market import Bbo
from domain.order import Order, OrderKind, Role
from domain.settings import AccountSpec, ApprovalSettings, Limits, RiskSettings, Settings, StrategySpec
from engine.core.core import Core
from engine.core.executor.exposure import exposure_of
from engine.core.executor.place import check, place
from engine.core.limits import limits_of
from engine.core.review import review_slots
from engine.core.state import State, StrategyState
from engine.core.step import step
from research.bench import market
from research.bench.backtests import DEPOSIT, MANY, WIDEST
from research.bench.journal import Row

STRATEGIES = 50
INSTRUMENTS = 20


def run(count: int) -> list[Row]:
    """The gate and policy, each `count` times."""
    core = full_desk()
    desk = f"{STRATEGIES} strategies x {INSTRUMENTS} contracts, {len(core.state.where):,} orders working; median"
    return [
        Row(case="risk gate, full desk", value=timed(gate_of_one_order(core), count), unit="us", rules=desk),
        Row(case="risk policy, full desk", value=timed(policy_of_one_strategy(core), count), unit="us",
            rules=f"twenty targets sized, clipped and put in force; {desk}"),
    ]  # fmt: skip


def timed(once: Callable[[], None], count: int) -> float:
    """Median microseconds."""
    taken = []
    for _ in range(count):
        began = time.perf_counter_ns()
        once()
        taken.append(time.perf_counter_ns() - began)
    taken.sort()
    return taken[count // 2] / 1_000


def full_desk() -> Core:
    """A core with everything in it."""
    instruments = tuple(
        replace(market.BTC, id=f"C{n}-USDT-PERP.PAPER", venue_symbol=f"C{n}") for n in range(INSTRUMENTS)
    )
    names = tuple(item.id for item in instruments)
    accounts = tuple(AccountSpec(id=f"PAPER:a{n}", currency="USDT", deposit=DEPOSIT) for n in range(STRATEGIES))
    wide = Limits(max_position_notional=Decimal(MANY), max_order_notional=Decimal(MANY))
    settings = Settings(
        instruments=instruments,
        accounts=accounts,
        risk=RiskSettings(default_limits=wide, messages_per_window=MANY, max_exposure=Decimal(MANY), portfolio=WIDEST),
        approvals=ApprovalSettings(enabled=False),
    )
    core = Core(State(settings=settings))
    for account in accounts:
        core.state.accounts[account.id] = make_account(account.id)
    for n, name in enumerate(names):
        touch = Bbo(ts_ns=market.START_NS, instrument=name, bid=500_000, bid_qty=9, ask=500_001, ask_qty=9)
        touch.seq = n + 1
        step(core, touch)
    for n, account in enumerate(accounts):
        spec = StrategySpec(id=f"s{n}", kind="bench", account=account.id, instruments=names)
        core.state.strategies[spec.id] = StrategyState(spec)
        for name in names:
            slot = core.slot(account.id, name)
            slot.owner = spec.id
            for side, price in ((1, 499_999), (-1, 500_002)):
                veto = place(core, slot, Role.QUOTE, side, OrderKind.POST_ONLY, 10, price)
                if veto is not None:
                    raise AssertionError(f"the gate refused the bench's order: {veto}")
    return core


def make_account(name: str) -> Account:
    """An account that may trade."""
    return Account(id=name, currency="USDT", cash=DEPOSIT, reconciled=True, trading=TradingState.ACTIVE)


def gate_of_one_order(core: Core) -> Callable[[], None]:
    """Every check that an order which adds risk passes before it leaves."""
    slot = core.slot("PAPER:a7", "C7-USDT-PERP.PAPER")
    found = limits_of(core, slot)
    if found is None:
        raise AssertionError("the bench's instrument has no limits")
    order = Order(
        cid="bench", owner=slot.owner, account=slot.account, instrument=slot.instrument, side=1,
        kind=OrderKind.POST_ONLY, role=Role.QUOTE, qty=10, price=499_998,
    )  # fmt: skip

    def once() -> None:
        core.state.seq += 1
        core.tally.dirty[slot.key] = None
        veto = check(core, slot, order, found, exposure_of(core, slot))
        if veto is not None:
            raise AssertionError(f"the gate refused the bench's order: {veto}")

    return once


def policy_of_one_strategy(core: Core) -> Callable[[], None]:
    """What a strategy wants of its twenty contracts, reviewed; a new entry each time, so that all is sized anew."""
    strategy = core.state.strategies["s7"]
    slots = {name: core.slot(strategy.spec.account, name) for name in strategy.spec.instruments}

    def once() -> None:
        core.state.seq += 1
        entry = f"e{core.state.seq}"
        targets = tuple([Target(instrument=name, want=Strength(0.5), entry=entry) for name in slots])
        strategy.desired = Desired(targets=targets)
        review_slots(core, strategy, slots)

    return once
