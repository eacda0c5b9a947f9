"""What the venue does with requests: accept, refuse, fill, rest, amend, cancel, tell."""

import pytest

from domain.events import Accepted, Amended, AmendRejected, CancelRejected, Filled, OrderReport, Rejected, VenueSnapshot
from domain.order import Liquidity, OrderKind, OrderStatus, Query, RequestSnapshot
from domain.verdict import Reason
from exchanges.paper.config import PaperConfig
from tests.exchanges.paper.world import ACCOUNT, BTC, World, cancel_texts, fills, names


@pytest.fixture
def world() -> World:
    world = World()
    world.book([(600_000, 100), (599_990, 200)], [(600_010, 100), (600_020, 200), (600_050, 500)])
    return world


def test_an_ioc_walks_the_levels_and_its_rest_is_cancelled(world):
    events = world.ioc(1, 500, 600_020)
    assert names(events) == ["Accepted", "Filled", "Filled", "Cancelled"]
    assert fills(events) == [(1, 600_010, 100), (1, 600_020, 200)]
    assert cancel_texts(events) == ["IOC rest"]
    assert world.position == 300


def test_what_a_taker_ate_is_not_there_again_until_the_next_snapshot(world):
    world.ioc(1, 150, 600_050)
    assert fills(world.ioc(1, 150, 600_020)) == [(1, 600_020, 150)]
    world.book([(600_000, 100)], [(600_010, 100)])
    assert fills(world.ioc(1, 150, 600_010)) == [(1, 600_010, 100)]


def test_a_limit_takes_what_it_can_and_rests_with_the_remainder(world):
    events = world.place(1, 150, 600_010)
    assert fills(events) == [(1, 600_010, 100)]
    assert [event.liquidity for event in events if isinstance(event, Filled)] == [Liquidity.TAKER]
    events = world.trade(600_000, 1000, -1)
    assert fills(events) == [(1, 600_010, 50)]
    assert [event.liquidity for event in events if isinstance(event, Filled)] == [Liquidity.MAKER]


def test_post_only_is_refused_when_it_would_take_and_rests_otherwise(world):
    (refused,) = world.place(1, 10, 600_010, OrderKind.POST_ONLY)
    assert isinstance(refused, Rejected)
    assert "post-only" in refused.text
    (accepted,) = world.place(1, 10, 600_009, OrderKind.POST_ONLY)
    assert isinstance(accepted, Accepted)


@pytest.mark.parametrize(
    ("qty", "price", "more", "reason"),
    [
        (0, 600_000, {}, Reason.MIN_QTY),
        (-5, 600_000, {}, Reason.MIN_QTY),
        (10, 0, {}, Reason.BAD_NUMBER),
        (10, -1, {}, Reason.BAD_NUMBER),
        (10, 5, {}, Reason.MIN_NOTIONAL),
        (10, 600_000, {"valid_until_ns": 1}, Reason.EXPIRED),
        (1_000_000, 600_000, {}, Reason.VENUE),
        (10, 600_000, {"reduce_only": True}, Reason.VENUE),
    ],
)
def test_a_bad_order_is_refused_with_its_reason(world, qty, price, more, reason):
    (event,) = world.place(1, qty, price, **more)
    assert isinstance(event, Rejected)
    assert (event.reason, bool(event.text)) == (reason, True)


def test_the_same_client_id_never_makes_a_second_order(world):
    world.place(1, 10, 599_000, cid="same")
    (event,) = world.place(1, 10, 599_000, cid="same")
    assert isinstance(event, Rejected)
    assert event.reason is Reason.DUPLICATE
    world.cancel("same")
    (event,) = world.place(1, 10, 599_000, cid="same")
    assert isinstance(event, Rejected)


def test_cancel_takes_the_order_out_and_a_second_one_finds_nothing(world):
    world.place(1, 10, 599_000)
    assert names(world.cancel("o1")) == ["Cancelled"]
    (event,) = world.cancel("o1")
    assert isinstance(event, CancelRejected)
    assert "cancelled" in event.text
    (event,) = world.cancel("never seen")
    assert isinstance(event, CancelRejected)
    assert not fills(world.trade(598_000, 1000, -1))


def test_amend_changes_price_and_quantity_in_place(world):
    world.place(1, 10, 599_000)
    (event,) = world.amend("o1", 20, 599_500, amend_no=3)
    assert isinstance(event, Amended)
    assert (event.price, event.qty, event.amend_no) == (599_500, 20, 3)
    assert fills(world.trade(599_400, 1000, -1)) == [(1, 599_500, 20)]


def test_amending_to_no_more_than_has_filled_cancels(world):
    world.place(1, 200, 600_010)
    assert names(world.amend("o1", 100, 600_010)) == ["Cancelled"]


@pytest.mark.parametrize(("qty", "price"), [(0, 599_000), (10, -1), (10_000_000, 599_000)])
def test_a_bad_amendment_leaves_the_order_as_it_was(world, qty, price):
    world.place(1, 10, 598_000)
    if qty == 0:
        assert names(world.amend("o1", qty, price)) == ["Cancelled"]
        return
    (event,) = world.amend("o1", qty, price)
    assert isinstance(event, AmendRejected)
    (order,) = world.exchange.snapshot(ACCOUNT, world.t).orders
    assert (order.qty, order.price) == (10, 598_000)


def test_a_query_tells_what_became_of_an_order_and_of_one_that_never_was(world):
    world.ioc(1, 100, 600_010)
    (found,) = world.send(Query(cid="o1", account=ACCOUNT, instrument=BTC.id))
    (missing,) = world.send(Query(cid="o9", account=ACCOUNT, instrument=BTC.id))
    assert isinstance(found, OrderReport)
    assert isinstance(missing, OrderReport)
    assert (found.found, found.status, found.filled) == (True, OrderStatus.FILLED, 100)
    assert not missing.found


def test_a_snapshot_holds_orders_positions_cash_and_the_fills_since_the_last_one(world):
    world.ioc(1, 100, 600_010)
    world.place(-1, 50, 601_000)
    (first,) = world.send(RequestSnapshot(account=ACCOUNT))
    (second,) = world.send(RequestSnapshot(account=ACCOUNT))
    assert isinstance(first, VenueSnapshot)
    assert isinstance(second, VenueSnapshot)
    assert [order.cid for order in first.orders] == ["o2"]
    assert [(p.qty, p.entry_value) for p in first.positions] == [(100, BTC.notional(600_010, 100))]
    assert first.cash == world.cash
    assert len(first.fills) == 1
    assert not second.fills
    world.exchange.connect()
    (third,) = world.send(RequestSnapshot(account=ACCOUNT))
    assert isinstance(third, VenueSnapshot)
    assert len(third.fills) == 1


def test_every_fill_is_in_a_snapshot_even_when_snapshots_overlap(world):
    seen = []
    for number in range(6):
        world.ioc(1, 10, 600_050)
        asked = [RequestSnapshot(account=ACCOUNT)] * (1 + number % 3)
        for snapshot in world.send(*asked):
            assert isinstance(snapshot, VenueSnapshot)
            seen += [fill.fill_id for fill in snapshot.fills]
    assert list(dict.fromkeys(seen)) == [f"F{n}" for n in range(1, 7)]


def test_what_is_remembered_of_finished_orders_is_bounded():
    world = World(PaperConfig(feed_ns=0, entry_ns=0, response_ns=0, kept_orders=50, kept_fills=20))
    world.bbo(600_000, 600_010, 10**6, 10**6)
    for _ in range(200):
        world.ioc(1, 10, 600_010)
    floor = world.exchange.floor
    assert len(floor.orders) == len(floor.finished) == 50
    assert len(world.exchange.snapshot(ACCOUNT, 0).fills) == 20
    assert world.position == 2000


def test_reduce_only_never_passes_zero(world):
    world.ioc(1, 100, 600_010)
    events = world.place(-1, 300, 599_990, reduce_only=True)
    assert fills(events) == [(-1, 600_000, 100)]
    assert world.position == 0
    assert not world.exchange.snapshot(ACCOUNT, world.t).orders


def test_a_resting_reduce_only_order_goes_when_the_position_does(world):
    world.ioc(1, 100, 600_010)
    world.place(-1, 100, 601_000, reduce_only=True)
    assert cancel_texts(world.ioc(-1, 100, 599_990)) == ["reduce-only, and nothing is left to reduce"]
