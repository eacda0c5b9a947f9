"""Rule 11: what adds risk leaves after the journal is on disk, and is looked at again; what lowers it never waits."""

from __future__ import annotations

from domain import commands as c
from domain import events as e
from domain.codec import decode_event
from domain.commands import Door
from domain.facts import CommandDone
from domain.order import Amend, Cancel, OrderKind, OrderStatus
from domain.settings import SECOND_NS, Settings
from domain.verdict import Reason
from engine.core.journal.memory import MemoryJournal
from tests.engine.core.rig import ASKING, SETTINGS, Rig, of, places, quote, stop, target, wants


def slow(settings: Settings = SETTINGS) -> Rig:
    """A rig whose disk answers when the test says so; everything so far is durable."""
    rig = Rig(settings).start()
    rig.journal.on_durable(rig.kernel.release)
    rig.journal.hold = True
    return rig


def durable(rig: Rig) -> None:
    """The disk has caught up."""
    rig.journal.flush()


def dropped(rig: Rig) -> list[Reason]:
    found = [decode_event(record.payload) for record in rig.journal.records(market=False)]
    return [event.reason for event in found if isinstance(event, e.SendDropped)]


def test_an_order_leaves_only_when_its_decision_is_on_disk() -> None:
    rig = slow()
    assert rig.want(wants(target(0.5))) == []
    durable(rig)
    assert [place.qty for place in places(rig.sent)] == [500]


def test_without_waiting_a_crash_would_leave_orders_that_no_journal_knows() -> None:
    """The mutation: sent at once, then the power goes; the next run does not know the order."""
    rig = slow()
    rig.kernel.wait_for_disk = False
    (place,) = places(rig.want(wants(target(0.5))))
    rig.crash()
    assert rig.core.order(place.cid) is None


def test_with_waiting_every_order_that_left_is_known_after_a_crash() -> None:
    rig = slow()
    rig.want(wants(target(0.5)))
    durable(rig)
    (place,) = places(rig.sent)
    rig.want(wants(target(0.9)))
    rig.crash()
    assert rig.core.order(place.cid) is not None
    assert rig.order(place.cid).status is OrderStatus.UNKNOWN


def test_cancels_and_reductions_do_not_wait() -> None:
    rig = slow()
    for wanted in (wants(target(0.5)), wants(target(0.5), quote(-1, 60_011.0))):
        rig.want(wanted)
        durable(rig)
        for place in places(rig.sent):
            rig.accept(place)
            if place.kind is OrderKind.IOC:
                rig.fill(place)
    sent = rig.want(wants(target(0.2), stop(59_000.0)))
    assert len(of(sent, Cancel)) == 1
    assert [(place.reduce_only, place.kind.name) for place in places(sent)] == [(True, "STOP"), (True, "IOC")]


def test_an_order_that_is_not_wanted_any_more_never_leaves() -> None:
    rig = slow()
    rig.want(wants(quote(1, 59_990.0)))
    sent = rig.want(wants())
    assert sent == [], "neither the order nor its cancel"
    durable(rig)
    assert rig.sent == []
    assert dropped(rig) == [Reason.WITHDRAWN]
    assert rig.slot().orders == {}


def test_an_order_does_not_leave_after_a_halt() -> None:
    rig = slow()
    rig.want(wants(target(0.5)))
    rig.submit(c.Halt(), "dot")
    durable(rig)
    assert places(rig.sent) == []
    assert dropped(rig)
    assert rig.slot().orders == {}


def test_an_order_does_not_leave_after_its_time() -> None:
    rig = slow()
    rig.want(wants(target(0.5)))
    rig.now_ns += 6 * SECOND_NS
    rig.script.wants = wants(target(0.5))
    rig.touch(600_001)
    durable(rig)
    assert dropped(rig)[:1] == [Reason.EXPIRED]


def test_an_order_does_not_leave_from_a_run_that_was_taken_over() -> None:
    rig = slow()
    rig.want(wants(target(0.5)))
    rig.kernel.superseded = True
    durable(rig)
    assert places(rig.sent) == []
    assert dropped(rig) == [Reason.STALE_EPOCH]


def test_a_dropped_order_is_decided_anew_when_it_is_still_wanted() -> None:
    rig = slow()
    rig.want(wants(target(0.5)))
    rig.now_ns += 6 * SECOND_NS
    rig.touch(600_001)
    durable(rig)
    rig.sent.clear()
    rig.wait(2)
    durable(rig)
    assert [place.qty for place in places(rig.sent)] == [500]


def test_amendments_wait_like_orders() -> None:
    rig = slow()
    rig.want(wants(quote(1, 59_990.0)))
    durable(rig)
    (place,) = places(rig.sent)
    rig.accept(place)
    assert rig.want(wants(quote(1, 59_980.0))) == []
    durable(rig)
    assert [amend.price for amend in of(rig.sent, Amend)] == [599_800]


def test_orders_leave_in_the_order_in_which_they_were_decided() -> None:
    rig = slow()
    rig.want(wants(quote(1, 59_990.0)))
    rig.want(wants(quote(1, 59_990.0), quote(1, 59_980.0, level=1)))
    durable(rig)
    assert [place.price for place in places(rig.sent)] == [599_900, 599_800]


def test_only_what_is_durable_is_let_out() -> None:
    rig = slow()
    rig.want(wants(quote(1, 59_990.0)))
    first = rig.kernel.seq
    rig.want(wants(quote(1, 59_990.0), quote(-1, 60_020.0)))
    rig.journal.make_durable(first)
    assert [place.side for place in places(rig.sent)] == [1]


def test_an_answer_is_told_when_it_is_on_disk_and_so_is_what_it_lets_go() -> None:
    rig = slow(ASKING)
    for place in places(rig.want(wants(target(1.0)))):
        raise AssertionError(place)
    rig.submit(c.Approve(request="R1"), "bob", Door.TELEGRAM)
    assert places(rig.sent) == []
    assert [done for done in rig.told(CommandDone) if done.verb == "approve"] == []
    durable(rig)
    assert rig.told(CommandDone)[-1].ok
    assert [place.qty for place in places(rig.sent)] == [1_000]


def test_the_first_record_of_a_run_is_durable_before_the_venue_hears_of_it() -> None:
    journal = MemoryJournal(hold=True)
    rig = Rig(journal=journal)
    heard: list[int] = []
    rig.kernel.send = lambda intents: heard.append(journal.durable_seq)
    rig.begin()
    assert heard
    assert min(heard) >= 1
