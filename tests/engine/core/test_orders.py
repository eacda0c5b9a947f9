"""Answers that come twice, late, or contradict each other."""

from __future__ import annotations

from domain import events as e
from domain.desired import Desired, Qty, Target
from domain.order import OrderStatus, Place, Query, RequestSnapshot
from domain.settings import SECOND_NS
from domain.verdict import Reason
from tests.engine.core.rig import ACCOUNT, BTC, SETTINGS, Rig, places


def placed(rig: Rig) -> Place:
    (place,) = places(rig.want(Desired(targets=(Target(instrument=BTC.id, want=Qty(1.0), entry="e1"),))))
    return place


def test_a_refused_duplicate_is_asked_about_and_not_placed_again() -> None:
    rig = Rig().start()
    place = placed(rig)
    rig.sent.clear()
    rig.ingest(e.Rejected(cid=place.cid, reason=Reason.DUPLICATE))
    assert rig.order(place.cid).status is OrderStatus.PENDING
    assert [type(intent) for intent in rig.sent] == [Query]


def test_an_order_that_was_refused_and_then_accepted_counts_again() -> None:
    rig = Rig().start()
    place = placed(rig)
    rig.ingest(e.Rejected(cid=place.cid))
    assert rig.order(place.cid).status is OrderStatus.REJECTED
    rig.sent.clear()
    rig.accept(place)
    assert rig.order(place.cid).status is OrderStatus.OPEN
    rig.now_ns += 10 * SECOND_NS
    rig.touch()
    assert places(rig.sent) == []


def test_accounts_are_compared_with_the_venue_now_and_then() -> None:
    rig = Rig().start()
    rig.now_ns += SETTINGS.execution.reconcile_every_ns
    rig.kernel.tick(rig.now_ns)
    assert RequestSnapshot(account=ACCOUNT) in rig.sent
