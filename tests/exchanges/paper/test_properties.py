"""Whatever is asked of the venue and whatever the market does: the books add up and the rules hold."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.events import Accepted, Cancelled, Filled, Rejected, VenueEvent
from domain.order import Liquidity, OrderKind
from exchanges.paper import clearing
from exchanges.paper import matching as rules
from exchanges.paper.config import FillModel, PaperConfig, QueueModel
from exchanges.paper.market import Market
from tests.exchanges.paper.world import ACCOUNT, BTC, INSTANT, World

MIDDLE = 600_000
side = st.sampled_from([1, -1])
offset = st.integers(-12, 12)
qty = st.integers(1, 60)
level = st.tuples(st.integers(1, 10), st.integers(1, 50))

place_op = st.tuples(
    st.just("place"),
    side,
    qty,
    offset,
    st.sampled_from([OrderKind.LIMIT, OrderKind.POST_ONLY, OrderKind.IOC]),
    st.booleans(),
)
trigger_op = st.tuples(
    st.just("trigger"), side, qty, offset, st.sampled_from([OrderKind.STOP, OrderKind.TAKE_PROFIT]), st.booleans()
)
cancel_op = st.tuples(st.just("cancel"), st.integers(1, 30))
amend_op = st.tuples(st.just("amend"), st.integers(1, 30), qty, offset)
trade_op = st.tuples(st.just("trade"), offset, qty, side)
book_op = st.tuples(st.just("book"), offset, st.lists(level, max_size=4), st.lists(level, max_size=4))
bbo_op = st.tuples(st.just("bbo"), offset, qty, qty)
mark_op = st.tuples(st.just("mark"), st.integers(-80_000, 80_000))
bar_op = st.tuples(st.just("bar"), offset, st.integers(0, 15), st.integers(0, 15), offset)

requests = st.one_of(place_op, trigger_op, cancel_op, amend_op)
ticks = st.lists(st.one_of(requests, trade_op, book_op, bbo_op, mark_op), max_size=60)
bars = st.lists(st.one_of(requests, bar_op), max_size=60)


@dataclass
class Watched:
    """A world, and what its answers add up to."""

    world: World
    said: list[VenueEvent] = field(default_factory=list)
    kinds: dict[str, tuple[OrderKind, int, bool]] = field(default_factory=dict)
    position: int = 0

    def hear(self, events: list[VenueEvent]) -> None:
        self.said += events
        for event in events:
            if isinstance(event, Filled):
                before, self.position = self.position, self.position + event.side * event.qty
                self.judge(event, before)
        assert self.world.position == self.position

    def judge(self, fill: Filled, before: int) -> None:
        if fill.liquidation:
            assert abs(self.position) < abs(before)
            return
        kind, wanted, reduce_only = self.kinds[fill.cid]
        if kind is OrderKind.POST_ONLY:
            assert fill.liquidity is Liquidity.MAKER
        if kind in {OrderKind.IOC, OrderKind.STOP, OrderKind.TAKE_PROFIT}:
            assert fill.liquidity is Liquidity.TAKER
        if reduce_only:
            assert before * self.position >= 0
            assert abs(self.position) < abs(before)
        assert fill.side == wanted


def play(ops: list[tuple], config: PaperConfig, cash: str) -> Watched:
    world = World(config, cash)
    watched = Watched(world)
    for op in ops:
        watched.hear(step(watched, *op))
    return watched


def step(watched: Watched, name: str, *args) -> list[VenueEvent]:
    world = watched.world
    if name in {"place", "trigger"}:
        direction, amount, away, kind, reduce_only = args
        watched.kinds[f"o{world.orders + 1}"] = (kind, direction, reduce_only)
        price, trigger = (MIDDLE + away, 0) if name == "place" else (0, MIDDLE + away)
        return world.place(direction, amount, price, kind, trigger=trigger, reduce_only=reduce_only)
    if name == "cancel":
        return world.cancel(f"o{args[0]}")
    if name == "amend":
        kind = watched.kinds.get(f"o{args[0]}", (OrderKind.LIMIT, 1, False))[0]
        is_trigger = kind in {OrderKind.STOP, OrderKind.TAKE_PROFIT}
        more = {"trigger": MIDDLE + args[2]} if is_trigger else {}
        return world.amend(f"o{args[0]}", args[1], 0 if is_trigger else MIDDLE + args[2], **more)
    if name == "trade":
        return world.trade(MIDDLE + args[0], args[1], args[2])
    if name == "book":
        bids = sorted({MIDDLE + args[0] - away: size for away, size in args[1]}.items(), reverse=True)
        asks = sorted({MIDDLE + args[0] + away: size for away, size in args[2]}.items())
        return world.book(bids, asks)
    if name == "bbo":
        return world.bbo(MIDDLE + args[0] - 1, MIDDLE + args[0] + 1, args[1], args[2])
    if name == "mark":
        return world.mark(MIDDLE + args[0], "0.0001")
    open_, close = MIDDLE + args[0], MIDDLE + args[3]
    return world.bar(open_, max(open_, close) + args[1], min(open_, close) - args[2], close)


POOR = "300"
"""Enough for about 50 lots of 0.001 at ten times leverage: margin and liquidation are met often."""


@settings(max_examples=300)
@given(ticks, st.sampled_from(list(QueueModel)), st.sampled_from([POOR, "1000000"]))
def test_on_ticks_the_books_add_up_and_the_rules_hold(ops, model, cash):
    play(ops, msgspec.structs.replace(INSTANT, queue_model=model), cash)


@settings(max_examples=200)
@given(bars, st.sampled_from(list(FillModel)), st.sampled_from([POOR, "1000000"]))
def test_on_bars_the_books_add_up_and_the_rules_hold(ops, model, cash):
    play(ops, msgspec.structs.replace(INSTANT, fill_model=model), cash)


@settings(max_examples=50)
@given(ticks, st.integers(0, 3))
def test_the_same_inputs_and_seed_give_the_same_answers(ops, seed):
    config = PaperConfig(jitter_ns=5_000_000, seed=seed)
    world, again = World(config), World(config)
    first, second = Watched(world), Watched(again)
    for op in ops:
        first.said += step(first, *op)
        second.said += step(second, *op)
    assert first.said + world.poll(10**9) == second.said + again.poll(10**9)


def quoting(seed: int, count: int) -> Iterator[tuple]:
    """Two-sided quoting around a wandering middle, where only best prices and trades are shown."""
    rng = random.Random(seed)
    middle = orders = 0
    kinds = [OrderKind.POST_ONLY, OrderKind.POST_ONLY, OrderKind.LIMIT, OrderKind.IOC]
    for _ in range(count):
        what = rng.random()
        direction, away, amount = rng.choice([1, -1]), rng.randint(-2, 4), rng.randint(1, 40)
        if what < 0.4:
            middle += rng.choice([-1, 0, 0, 0, 1]) if what > 0.002 else rng.randint(-90_000, 90_000)
            yield "bbo", middle, rng.randint(0, 90), rng.randint(0, 90)
        elif what < 0.5:
            yield "trade", middle + direction * rng.randint(0, 2), amount, direction
        elif what < 0.6 and orders:
            yield "amend", rng.randint(max(1, orders - 8), orders), amount, middle - direction * away
        elif what < 0.68 and orders:
            yield "cancel", rng.randint(max(1, orders - 8), orders)
        else:
            orders += 1
            yield "place", direction, amount, middle - direction * away, rng.choice(kinds), rng.random() < 0.1


def rows(market: Market) -> list[int]:
    """What is shown, and every order's place in its queue, looked at now."""
    market.load()
    market.catch_up()
    wanted = sorted(market.resting, key=lambda order: (order.side, -order.side * order.price, order.seq))
    assert market.resting == wanted
    found = market.orders[: len(wanted) * rules.ORDER].tolist()
    assert found[rules.KEY :: rules.ORDER] == [order.side * order.price for order in wanted]
    assert found[rules.LEAVES :: rules.ORDER] == [order.leaves for order in wanted]
    best = [market.state[rules.WORST + half] + market.state[half] - 1 for half in (rules.BIDS, rules.ASKS)]
    return [market.best(1), market.sizes[best[0]], market.best(-1), market.sizes[best[1]], *found]


@pytest.mark.parametrize("seed", range(6))
def test_looking_at_ladder_queues_and_margin_after_everything_changes_nothing(seed):
    config = msgspec.structs.replace(INSTANT, queue_model=list(QueueModel)[seed % 2])
    lazy, eager = (Watched(World(config, "3000")) for _ in range(2))
    floor = eager.world.exchange.floor
    late, early = (watched.world.exchange.floor.markets[BTC.id] for watched in (lazy, eager))
    for number, op in enumerate(quoting(seed, 600)):
        lazy.hear(step(lazy, *op))
        eager.hear(step(eager, *op))
        assert lazy.said == eager.said
        seen = rows(early)
        assert number % 12 or rows(late) == seen
        early.liquidations.clear()
        clearing.set_bands(floor, floor.accounts[ACCOUNT])
    by = Counter(event.liquidity for event in lazy.said if isinstance(event, Filled))
    assert min(by[Liquidity.MAKER], by[Liquidity.TAKER]) > 10


@settings(max_examples=100)
@given(ticks)
def test_every_accepted_order_ends_once_and_adds_up(ops):
    watched = play(ops, INSTANT, "1000000")
    accepted = [event.cid for event in watched.said if isinstance(event, Accepted)]
    rejected = [event.cid for event in watched.said if isinstance(event, Rejected)]
    assert len(accepted) == len(set(accepted))
    assert not set(accepted) & set(rejected)
    filled: dict[str, int] = {}
    for event in watched.said:
        if isinstance(event, Filled):
            filled[event.cid] = filled.get(event.cid, 0) + event.qty
    ended = [event for event in watched.said if isinstance(event, Cancelled)]
    assert len(ended) == len({event.cid for event in ended})
    assert all(event.filled == filled.get(event.cid, 0) for event in ended)
    working = {order.cid: order.filled for order in watched.world.exchange.snapshot("PAPER:main", 0).orders}
    assert not set(working) & {event.cid for event in ended}
    assert all(count == filled.get(cid, 0) for cid, count in working.items())


@settings(max_examples=100)
@given(st.lists(st.tuples(qty, st.integers(-1, 1)), min_size=2, max_size=6), st.lists(trade_op, max_size=30))
def test_at_one_price_nobody_is_overtaken(orders, trades):
    world = World()
    world.book([(MIDDLE, 30), (MIDDLE - 1, 30)], [(MIDDLE + 2, 30)])
    prices = {}
    for number, (amount, away) in enumerate(orders, start=1):
        world.place(1, amount, MIDDLE + away, OrderKind.POST_ONLY)
        prices[f"o{number}"] = MIDDLE + away
    for _, away, amount, direction in trades:
        left = {order.cid: order.qty - order.filled for order in world.exchange.snapshot("PAPER:main", 0).orders}
        for event in world.trade(MIDDLE + away, amount, direction):
            if not isinstance(event, Filled):
                continue
            for cid, rest in left.items():
                if prices[cid] == prices[event.cid] and int(cid[1:]) < int(event.cid[1:]):
                    assert rest == 0, f"{event.cid} overtook {cid}"
            left[event.cid] -= event.qty
