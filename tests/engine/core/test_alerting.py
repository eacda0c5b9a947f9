"""What people say about alerts is on record, and nobody mutes what is critical alone."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from domain import commands as c
from domain.events import VenueStatus
from domain.facts import Alerted, RequestChanged, RequestStatus, Severity
from domain.market import FeedState, FeedStatus
from domain.settings import HOUR_NS, ApprovalSettings
from domain.verdict import Reason
from tests.engine.core.rig import BTC, WIDE, Rig


def alerts(rig: Rig, kind: str) -> list[Alerted]:
    return [fact for fact in rig.told(Alerted) if fact.kind == kind]


def muting(rig: Rig, hours: float = 1, **fields: Any) -> c.MuteAlerts:
    return c.MuteAlerts(kind="feed_stale", until_ns=rig.now_ns + int(hours * HOUR_NS), **fields)


def test_an_acknowledgement_is_on_record_with_who_and_what() -> None:
    rig = Rig(WIDE).start()
    done = rig.command(c.AcknowledgeAlert(alerts=("A7", "A8"), text="A7 Exchange down; A8 No market data"), "eve")
    assert done.ok
    assert done.text == "eve looks after A7 Exchange down; A8 No market data."
    (said,) = alerts(rig, "alert_ack")
    assert said.labels == {"alerts": "A7 A8", "by": "eve"}


def test_a_mute_of_what_is_not_critical_is_one_persons_and_has_an_end() -> None:
    rig = Rig(WIDE).start()
    assert rig.command(muting(rig, labels={"venue": "BYBIT"}, reason="maintenance"), "dot").ok
    (said,) = alerts(rig, "alert_mute")
    assert (said.labels["kind_of"], said.labels["is_venue"], said.labels["critical"]) == ("feed_stale", "BYBIT", "0")
    for hours in (25, 0, -1):
        assert rig.command(muting(rig, hours), "dot").reason is Reason.BAD_VALUE
    assert rig.command(muting(rig, reason="x" * 500), "dot").reason is Reason.BAD_VALUE
    assert rig.command(muting(rig, labels={f"k{n}": "v" for n in range(9)}), "dot").reason is Reason.BAD_VALUE


@pytest.mark.parametrize("requester_counts", [False, True])
def test_critical_alerts_are_muted_by_two_persons_and_never_by_one(requester_counts: bool) -> None:
    rig = Rig(replace(WIDE, approvals=ApprovalSettings(requester_counts=requester_counts))).start()
    asked = rig.command(muting(rig, critical=True, reason="it is known"), "bob")
    assert asked.request == "R1"
    assert not alerts(rig, "alert_mute")
    assert "critical ones too" in rig.told(RequestChanged)[-1].text
    assert not rig.command(c.Approve(request="R1"), "bob").ok
    assert rig.command(c.Approve(request="R1"), "ann").ok
    (said,) = alerts(rig, "alert_mute")
    assert said.labels["critical"] == "1"
    assert said.labels["by"] == "bob and ann"
    assert rig.told(RequestChanged)[-1].status is RequestStatus.APPROVED


def test_a_mute_that_was_agreed_to_too_late_is_none() -> None:
    rig = Rig(replace(WIDE, approvals=ApprovalSettings(override_ttl_ns=2 * HOUR_NS))).start()
    rig.command(muting(rig, critical=True), "bob")
    rig.wait(3700)
    assert not rig.command(c.Approve(request="R1"), "ann").ok
    assert not alerts(rig, "alert_mute")


def test_only_people_who_exist_are_put_on_call() -> None:
    rig = Rig(WIDE).start()
    assert rig.command(c.RouteAlerts(duty="on_call", persons=("nobody",)), "bob").reason is Reason.BAD_VALUE
    assert rig.command(c.RouteAlerts(duty="tea", persons=()), "bob").reason is Reason.BAD_VALUE
    assert rig.command(c.RouteAlerts(duty="on_call", persons=("dot", "dot")), "bob").ok
    assert alerts(rig, "alert_route")[-1].labels["persons"] == "dot"


def test_what_was_said_to_be_out_is_said_to_be_back_with_the_same_labels() -> None:
    rig = Rig(WIDE).start()
    rig.touch()
    venue = BTC.id.partition(".")[2]
    rig.ingest(FeedStatus(venue=venue, instrument=BTC.id, state=FeedState.STALE, detail="nothing for 30 s"))
    rig.ingest(FeedStatus(venue=venue, instrument=BTC.id, state=FeedState.LIVE))
    assert not alerts(rig, "feed_live")
    rig.touch()
    rig.touch()
    (stale,), (live,) = alerts(rig, "feed_stale"), alerts(rig, "feed_live")
    assert stale.labels == live.labels == {"venue": venue, "instrument": BTC.id}
    rig.ingest(VenueStatus(venue=venue, connected=False, detail="reset"))
    rig.ingest(VenueStatus(venue=venue, connected=True))
    rig.ingest(VenueStatus(venue=venue, connected=True))
    (down,), (up,) = alerts(rig, "venue_down"), alerts(rig, "venue_up")
    assert down.labels == up.labels == {"venue": venue}
    assert up.severity is Severity.INFO
