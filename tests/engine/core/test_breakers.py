"""Connection breakers in the core: what opens them, what they let through, who is told; they outlive a crash."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from domain import events as e
from domain.account import VenueOperation
from domain.breakers import BreakerRule, BreakerSettings
from domain.commands import Approve, SetBreaker
from domain.market import FeedState, FeedStatus
from domain.order import Amend, Cancel, Query, RequestSnapshot
from domain.settings import MINUTE_NS, ExecutionSettings
from domain.verdict import Reason
from engine import desk_views
from engine.core import breakers
from risk import breaker as machine
from risk.breaker import BreakerState
from tests.engine.core.rig import ASKING, SETTINGS, WIDE, Rig, of, places, quote, stop, take, target, wants

ASKED = replace(SETTINGS, breakers=BreakerSettings())
USUAL = replace(ASKED, execution=ExecutionSettings(reconcile_every_ns=0))
"""Nobody asks now and then for what the rig would leave unanswered."""
ORDERS, READS = VenueOperation.ORDERS, VenueOperation.READS


def state(rig: Rig, operation: VenueOperation = ORDERS) -> BreakerState:
    breaker = rig.core.state.breakers.get("PAPER", {}).get(operation)
    return breaker.state if breaker is not None else BreakerState.CLOSED


def trouble(rig: Rig, operation: VenueOperation = ORDERS, times: int = 3) -> None:
    """The venue's adapter reports failures, two seconds apart."""
    for _ in range(times):
        rig.ingest(e.VenueTrouble(venue="PAPER", operation=operation, text="502 from the gateway"))
        rig.now_ns += 2 * 10**9


def test_orders_that_are_never_answered_open_the_breaker_and_people_are_told() -> None:
    rig = Rig(USUAL).start()
    rig.want(wants(target(0.5)))
    rig.wait(25)
    assert rig.core.narrowed == {}
    rig.wait(20)
    assert BreakerState.OPEN in {state(rig, ORDERS), state(rig, READS)}
    (alert,) = [fact for fact in rig.facts if getattr(fact, "kind", "") == "breaker_open"][:1]
    text = getattr(alert, "text", "")
    assert "PAPER" in text
    assert "tried again at" in text
    assert "nothing that adds risk" in text


def test_what_is_sent_and_answered_never_opens_it() -> None:
    rig = Rig(USUAL).start()
    for n in range(5):
        for place in places(rig.want(wants(target(0.1 * (n + 1))))):
            rig.accept(place)
            rig.fill(place)
        rig.wait(10)
    assert rig.core.narrowed == {}


def test_what_does_not_leave_the_machine_counts_too() -> None:
    rig = Rig(USUAL).start()
    rig.want(wants(target(0.5)))
    for _ in range(3):
        (place,) = places(rig.sent)[-1:]
        rig.ingest(e.SendFailed(cid=place.cid, text="no route"))
        rig.wait(1.5)
    assert state(rig) is BreakerState.OPEN


def test_what_our_own_limits_have_dropped_is_no_fault_of_the_venue() -> None:
    rig = Rig(USUAL).start()
    rig.want(wants(target(0.5)))
    for _ in range(3):
        (place,) = places(rig.sent)[-1:]
        rig.ingest(e.SendDropped(cid=place.cid, reason=Reason.EXPIRED, text="waited 30.0 s for BINANCE's limits"))
        rig.wait(1.5)
    assert state(rig) is BreakerState.CLOSED


@pytest.mark.parametrize("operation", list(VenueOperation))
def test_open_nothing_that_adds_risk_passes_and_everything_that_lowers_it_does(operation: VenueOperation) -> None:
    rig = Rig(ASKED).start()
    rig.hold_position(0.5)
    (resting,) = places(rig.want(wants(target(0.5, "start"), quote(1, 59_000.0))))
    rig.accept(resting)
    rig.sent.clear()
    trouble(rig, operation)
    assert state(rig, operation) is BreakerState.OPEN
    assert [intent.cid for intent in of(rig.sent, Cancel)] == [resting.cid]
    rig.cancelled(resting.cid)
    assert places(rig.want(wants(target(0.9), quote(1, 59_000.0), take(rig)))) == []
    assert "BREAKER_OPEN" in rig.refusals()
    sent = places(rig.want(wants(target(0.2, "start"), stop(50_000.0, "start"))))
    assert [(place.side, place.qty, place.reduce_only) for place in sent] == [(-1, 500, True), (-1, 300, True)]
    rig.wait(61)
    assert of(rig.sent, RequestSnapshot)
    assert of(rig.sent, Query)


def test_half_open_orders_are_a_quarter_one_at_a_time_and_answers_close_it() -> None:
    rig = Rig(USUAL).start()
    rig.want(wants())
    trouble(rig)
    rig.wait(31 * 60)
    assert state(rig) is BreakerState.HALF_OPEN
    (first,) = places(rig.want(wants(target(0.8))))
    assert first.qty == 200
    assert places(rig.want(wants(target(0.8)))) == []
    sizes = [first.qty]
    for _ in range(3):
        rig.sent.clear()
        rig.now_ns += 10**9
        rig.accept(first)
        rig.fill(first)
        rig.wait(1.1)
        if placed := places(rig.sent):
            first = placed[-1]
            sizes.append(first.qty)
    assert state(rig) is BreakerState.CLOSED
    assert sizes == [200, 150, 112, 338]
    assert sum(sizes) == 800
    assert rig.alerts().count("breaker_closed") == 1


def test_half_open_quotes_and_takes_are_a_quarter_too() -> None:
    rig = Rig(USUAL).start()
    trouble(rig)
    rig.wait(31 * 60)
    sent = places(rig.want(wants(quote(1, 59_000.0, 0.4), take(rig, qty=0.4))))
    assert sorted(place.qty for place in sent) == [100, 100]


def test_quotes_wanted_while_a_breaker_was_open_come_when_it_no_longer_is_though_nothing_else_is_wanted() -> None:
    """Their envelope was nothing then, by which they were clipped."""
    rig = Rig(replace(ASKING, breakers=BreakerSettings(), execution=ExecutionSettings(reconcile_every_ns=0))).start()
    trouble(rig)
    assert places(rig.want(wants(quote(1, 59_000.0, 0.4)))) == []
    rig.wait(31 * 60)
    assert state(rig) is BreakerState.HALF_OPEN
    rig.touch()
    rig.wait(2)
    (place,) = places(rig.sent)
    assert place.qty == 100
    for _ in range(3):
        rig.now_ns += 10**9
        rig.accept(place)
    assert state(rig) is BreakerState.CLOSED
    assert [intent.qty for intent in of(rig.sent, Amend)] == [400]


def test_a_failure_while_half_open_opens_it_again() -> None:
    rig = Rig(USUAL).start()
    trouble(rig)
    rig.wait(31 * 60)
    trouble(rig, times=1)
    assert state(rig) is BreakerState.OPEN


def test_silent_market_data_counts_once_for_all_instruments_of_a_venue() -> None:
    rig = Rig(replace(WIDE, breakers=BreakerSettings())).start()
    for instrument in rig.core.instruments:
        rig.ingest(FeedStatus(venue="PAPER", state=FeedState.STALE, instrument=instrument))
    assert state(rig, VenueOperation.MARKET_DATA) is BreakerState.CLOSED
    for _ in range(2):
        rig.now_ns += 5 * 10**9
        rig.ingest(FeedStatus(venue="PAPER", state=FeedState.DOWN))
    assert state(rig, VenueOperation.MARKET_DATA) is BreakerState.OPEN


def test_prices_close_the_breaker_of_market_data() -> None:
    rig = Rig(USUAL).start()
    trouble(rig, VenueOperation.MARKET_DATA)
    rig.wait(31 * 60)
    for _ in range(3):
        rig.now_ns += 10**9
        rig.touch()
    assert rig.core.narrowed == {}


def test_a_trader_opens_it_at_once_and_only_the_quorum_releases_it() -> None:
    rig = Rig(USUAL).start()
    assert rig.command(SetBreaker(name="PAPER"), "dot").ok
    assert state(rig) is BreakerState.FORCED_OPEN
    assert places(rig.want(wants(target(0.5)))) == []
    rig.wait(24 * 3600)
    assert state(rig) is BreakerState.FORCED_OPEN
    request = rig.command(SetBreaker(name="PAPER", open=False), "dot").request
    assert request
    for voter in ("bob", "cem"):
        assert state(rig) is BreakerState.FORCED_OPEN
        rig.touch()
        rig.command(Approve(request=request), voter)
    assert state(rig) is BreakerState.HALF_OPEN
    assert [place.qty for place in places(rig.sent)[-1:]] == [125]


def test_a_breaker_that_does_not_exist_or_is_not_open_is_refused_in_words() -> None:
    rig = Rig(USUAL).start()
    assert "known: PAPER" in rig.command(SetBreaker(name="NASDAQ"), "dot").text
    assert "no breaker of PAPER is open" in rig.command(SetBreaker(name="PAPER", open=False), "dot").text
    rig.command(SetBreaker(name="PAPER"), "dot")
    assert "open by hand already" in rig.command(SetBreaker(name="PAPER"), "dot").text


def test_an_open_breaker_outlives_a_crash_and_its_cool_down_goes_on() -> None:
    rig = Rig(USUAL).start()
    trouble(rig)
    until_ns = rig.core.state.breakers["PAPER"][ORDERS].until_ns
    rig.now_ns += MINUTE_NS
    rig.crash()
    rig.snapshot()
    assert state(rig) is BreakerState.OPEN
    assert places(rig.want(wants(target(0.5)))) == []
    rig.wait((until_ns - rig.now_ns) / 1e9 + 1)
    assert state(rig) is BreakerState.HALF_OPEN


def test_an_order_that_waits_for_the_disk_does_not_leave_once_the_breaker_is_open() -> None:
    rig = Rig(USUAL).start()
    (place,) = places(rig.want(wants(target(0.5))))
    rig.sent.clear()
    rig.kernel.waiting.append((rig.kernel.seq, place))
    machine.force(breakers.of(rig.core, "PAPER", ORDERS), rig.now_ns, "dot")
    rig.core.index_breakers()
    rig.kernel.release(rig.kernel.seq)
    assert places(rig.sent) == []
    assert rig.order(place.cid).reason == "BREAKER_OPEN"


def test_status_and_desk_show_what_is_not_closed() -> None:
    rig = Rig(USUAL).start()
    assert desk_views.status(rig.core, rig.now_ns, "").breakers == ()
    trouble(rig, READS)
    (row,) = desk_views.status(rig.core, rig.now_ns, "").breakers
    assert (row.venue, row.operation, row.state, row.why) == ("PAPER", "reads", "open", "502 from the gateway")
    assert row.until_ns > rig.now_ns


def test_the_rule_is_the_settings() -> None:
    rule = BreakerRule(threshold=Decimal(1), cool_down_ns=5 * 10**9, probes=1, fraction=Decimal("0.5"))
    rig = Rig(replace(SETTINGS, breakers=BreakerSettings(exchange_failure=rule))).start()
    trouble(rig, times=1)
    assert state(rig) is BreakerState.OPEN
    rig.wait(6)
    assert [place.qty for place in places(rig.want(wants(target(0.4))))] == [200]
