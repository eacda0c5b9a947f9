"""The faulty line: each fault does what it says and is counted; the venue behind it stays right."""

import pytest

from domain.events import Accepted, Filled, OrderReport, Rejected, VenueEvent, VenueSnapshot, VenueStatus
from domain.order import Cancel, Query, RequestSnapshot
from exchanges.paper.config import MILLISECOND_NS as MS
from exchanges.paper.config import FaultKind, FaultRule, PaperConfig
from tests.exchanges.paper.world import ACCOUNT, BTC, World, fills, names


def faulty(*faults: FaultRule, seed: int = 1) -> World:
    world = World(PaperConfig(feed_ns=0, entry_ns=MS, response_ns=MS, faults=faults, seed=seed))
    world.bbo(600_000, 600_010, 10**6, 10**6)
    return world


def always(fault: FaultKind, **more) -> FaultRule:
    return FaultRule(fault=fault, probability=1, **more)


def query(world: World, cid: str) -> list[VenueEvent]:
    return world.send(Query(cid=cid, account=ACCOUNT, instrument=BTC.id))


def test_a_dropped_event_is_told_by_a_snapshot_later():
    world = faulty(always(FaultKind.DROP_EVENT, kinds=("filled",)))
    world.ioc(1, 10, 600_010)
    assert names(world.poll(100 * MS)) == ["Accepted"]
    world.send(RequestSnapshot(account=ACCOUNT))
    (snapshot,) = world.poll(100 * MS)
    assert isinstance(snapshot, VenueSnapshot)
    assert [(fill.cid, fill.qty) for fill in snapshot.fills] == [("o1", 10)]
    assert world.exchange.fault_counts == {FaultKind.DROP_EVENT: 1}


def test_a_lost_snapshot_does_not_lose_the_fills_in_it():
    world = faulty(always(FaultKind.DROP_EVENT, kinds=("filled", "venue_snapshot"), until_ns=50 * MS))
    world.ioc(1, 10, 600_010)
    world.poll(10 * MS)
    world.send(RequestSnapshot(account=ACCOUNT))
    assert not world.poll(100 * MS)
    world.send(RequestSnapshot(account=ACCOUNT))
    (snapshot,) = world.poll(100 * MS)
    assert isinstance(snapshot, VenueSnapshot)
    assert len(snapshot.fills) == 1


def test_an_intent_lost_on_the_way_never_was():
    world = faulty(always(FaultKind.DROP_INTENT, kinds=("place",)))
    world.ioc(1, 10, 600_010)
    assert not world.poll(100 * MS)
    query(world, "o1")
    (report,) = world.poll(100 * MS)
    assert isinstance(report, OrderReport)
    assert not report.found


def test_a_lost_answer_leaves_an_order_that_a_query_finds():
    world = faulty(always(FaultKind.LOSE_ANSWER, kinds=("place",)))
    world.place(1, 10, 599_000)
    assert not world.poll(100 * MS)
    query(world, "o1")
    (report,) = world.poll(100 * MS)
    assert isinstance(report, OrderReport)
    assert report.found
    assert world.exchange.fault_counts[FaultKind.LOSE_ANSWER] == 1


def test_duplicated_events_come_twice_as_separate_objects():
    world = faulty(always(FaultKind.DUPLICATE_EVENT, kinds=("filled",), span_ns=10 * MS))
    world.ioc(1, 10, 600_010)
    copies = [event for event in world.poll(100 * MS) if isinstance(event, Filled)]
    assert len(copies) == 2
    assert copies[0] is not copies[1]
    assert copies[0].fill_id == copies[1].fill_id
    assert world.position == 10


def test_a_duplicated_place_makes_one_order_and_a_refusal_as_duplicate():
    world = faulty(always(FaultKind.DUPLICATE_INTENT, kinds=("place",), span_ns=10 * MS))
    world.ioc(1, 10, 600_010)
    events = world.poll(100 * MS)
    assert [event.reason for event in events if isinstance(event, Rejected)] == ["DUPLICATE"]
    assert world.position == 10


def test_delay_holds_up_what_is_behind_and_reorder_lets_it_pass():
    for fault, order in ((FaultKind.DELAY_EVENT, ["o1", "o2"]), (FaultKind.REORDER_EVENT, ["o2", "o1"])):
        world = faulty(always(fault, kinds=("accepted",), until_ns=4 * MS, span_ns=400 * MS))
        world.place(1, 10, 599_000)
        world.poll(10 * MS)
        world.place(1, 10, 599_000)
        events = world.poll(1000 * MS)
        assert [event.cid for event in events if isinstance(event, Accepted)] == order
        assert world.exchange.fault_counts[fault] == 1


def test_reordered_intents_can_put_a_cancel_before_its_order():
    world = faulty(always(FaultKind.REORDER_INTENT, kinds=("place",), span_ns=400 * MS))
    world.place(1, 10, 599_000)
    world.cancel("o1")
    assert names(world.poll(1000 * MS)) == ["CancelRejected", "Accepted"]


def test_a_rate_limit_refuses_what_can_be_refused():
    world = faulty(always(FaultKind.RATE_LIMIT))
    events = world.place(1, 10, 599_000) + world.cancel("o1") + world.amend("o1", 5, 599_000, amend_no=1)
    events += query(world, "o1")
    events += world.poll(100 * MS)
    assert names(events) == ["Rejected", "CancelRejected", "AmendRejected"]
    assert isinstance(events[0], Rejected)
    assert "429" in events[0].text
    assert not world.exchange.snapshot(ACCOUNT, 0).orders


def test_a_clock_jump_shifts_what_the_venue_says_of_time():
    world = faulty(always(FaultKind.CLOCK_JUMP, span_ns=10**12))
    world.place(1, 10, 599_000)
    (event,) = world.poll(100 * MS)
    assert isinstance(event, Accepted)
    assert event.venue_ts_ns != event.ts_ns - MS


def test_an_outage_loses_everything_on_the_line_and_the_venue_trades_on():
    world = faulty(FaultRule(fault=FaultKind.DISCONNECT, probability=1, kinds=("cancel",), span_ns=500 * MS))
    world.place(1, 10, 599_000)
    world.poll(10 * MS)
    world.exchange.submit([Cancel(cid="o1", account=ACCOUNT, instrument=BTC.id)], world.step())
    (down,) = world.poll()
    assert isinstance(down, VenueStatus)
    assert not down.connected
    world.ioc(1, 10, 600_010)
    assert not fills(world.trade(598_000, 3, -1))
    events = world.poll(1000 * MS)
    assert [event.connected for event in events if isinstance(event, VenueStatus)] == [True]
    assert not fills(events)
    assert world.position == 3
    world.send(RequestSnapshot(account=ACCOUNT))
    (snapshot,) = world.poll(100 * MS)
    assert isinstance(snapshot, VenueSnapshot)
    assert [(p.qty, len(snapshot.fills)) for p in snapshot.positions] == [(3, 1)]
    assert world.exchange.fault_counts[FaultKind.DISCONNECT] == 1


@pytest.mark.parametrize("seed", range(5))
def test_a_faulty_line_is_the_same_for_the_same_seed_and_always_ends_in_the_truth(seed):
    rules = tuple(FaultRule(fault=fault, probability=0.1, until_ns=3000 * MS, span_ns=50 * MS) for fault in FaultKind)

    def run() -> tuple[list[object], World]:
        world = faulty(*rules, seed=seed)
        said: list[object] = []
        for number in range(200):
            said += world.ioc(1 if number % 3 else -1, 10, 600_010 if number % 3 else 600_000)
            said += world.poll(9 * MS)
        said += world.poll(5000 * MS)
        return said, world

    first, world = run()
    second, _ = run()
    assert first == second
    assert set(world.exchange.fault_counts) >= set(FaultKind) - {FaultKind.DISCONNECT}
    world.send(RequestSnapshot(account=ACCOUNT))
    (snapshot,) = [event for event in world.poll(1000 * MS) if isinstance(event, VenueSnapshot)]
    known = {event.fill_id: event.side * event.qty for event in first if isinstance(event, Filled)}
    for event in first:
        if isinstance(event, VenueSnapshot):
            known |= {fill.fill_id: fill.side * fill.qty for fill in event.fills}
    known |= {fill.fill_id: fill.side * fill.qty for fill in snapshot.fills}
    assert sum(known.values()) == world.position == sum(p.qty for p in snapshot.positions)
