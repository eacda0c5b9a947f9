"""When things happen: feed, entry and response latency, jitter, and what the driver is told to wait for."""

import msgspec

from domain.events import Filled
from exchanges.paper.config import MILLISECOND_NS as MS
from exchanges.paper.config import PaperConfig
from tests.exchanges.paper.world import World, fills, names

SLOW = PaperConfig(feed_ns=10 * MS, entry_ns=20 * MS, response_ns=30 * MS)


def test_an_order_meets_the_market_of_its_arrival_and_the_answer_takes_its_time():
    world = World(SLOW)
    world.bbo(600_000, 600_010)
    sent = world.t + MS
    assert not world.ioc(1, 10, 600_100)
    assert world.exchange.next_due_ns == sent + 30 * MS
    assert not world.poll(20 * MS)
    assert not world.bbo(600_050, 600_060)
    assert not world.poll(9 * MS)
    assert world.exchange.next_due_ns == sent + 50 * MS
    events = world.poll(20 * MS)
    assert fills(events) == [(1, 600_060, 10)]
    (fill,) = [event for event in events if isinstance(event, Filled)]
    assert (fill.venue_ts_ns, fill.ts_ns) == (sent + 30 * MS, sent + 50 * MS)


def test_an_answer_never_comes_before_its_cause_however_slow_the_feed():
    world = World(PaperConfig(feed_ns=50 * MS, entry_ns=MS, response_ns=MS))
    world.bbo(600_000, 600_010)
    sent = world.t + MS
    world.ioc(1, 10, 600_010)
    events = world.poll(51 * MS)
    assert [event.ts_ns for event in events] == [sent + 51 * MS] * 2


def test_validity_is_judged_at_arrival():
    world = World(SLOW)
    world.bbo(600_000, 600_010)
    world.place(1, 10, 599_000, valid_until_ns=world.t + 10 * MS)
    assert names(world.poll(100 * MS)) == ["Rejected"]
    world.place(1, 10, 599_000, valid_until_ns=world.t + 40 * MS)
    assert names(world.poll(100 * MS)) == ["Accepted"]


def jittery_run(seed: int) -> list[tuple[int, str]]:
    world = World(msgspec.structs.replace(SLOW, jitter_ns=40 * MS, seed=seed))
    world.bbo(600_000, 600_010, 10**6, 10**6)
    for _ in range(50):
        world.ioc(1, 10, 600_010)
    return [(event.ts_ns, event.cid) for event in world.poll(1000 * MS) if isinstance(event, Filled)]


def test_jitter_is_seeded_and_keeps_the_order_of_one_connection():
    first = jittery_run(1)
    assert first == jittery_run(1) != jittery_run(2)
    assert [cid for _, cid in first] == [f"o{n}" for n in range(1, 51)]
    assert [ts for ts, _ in first] == sorted(ts for ts, _ in first)
    assert len({ts for ts, _ in first}) > 1
