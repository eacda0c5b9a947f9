"""Rule 8: what is large waits for another person, the last approved target stays, approval looks again."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from domain import commands as c
from domain.commands import Door
from domain.desired import Desired, Strength
from domain.facts import Alerted, RequestChanged, RequestStatus
from domain.settings import ApprovalSettings, Limits
from domain.verdict import Reason
from engine.core import parked, review
from tests.engine.core.rig import (
    ACCOUNT,
    ASKING,
    BTC,
    ETH,
    PERSONS,
    SUB,
    Rig,
    aim,
    places,
    quote,
    stop,
    take,
    target,
    wants,
)

LARGE = 1.0
"""60,000 where 50,000 may pass."""


def asking() -> Rig:
    return Rig(ASKING).start()


def pending(rig: Rig) -> list[str]:
    return [r.id for r in rig.core.state.requests.values() if r.status is RequestStatus.PENDING]


def by_hand(qty: str, account: str = SUB, instrument: str = BTC.id) -> c.ManualTarget:
    return c.ManualTarget(account=account, instrument=instrument, qty=Decimal(qty))


def test_a_large_target_waits_and_nothing_is_sent() -> None:
    rig = asking()
    assert rig.want(wants(target(LARGE))) == []
    assert pending(rig) == ["R1"]
    (asked,) = rig.told(RequestChanged)
    assert asked.what == "order"
    assert "1.000 BTC-USDC-PERP.PAPER" in asked.text
    assert "NEEDS_APPROVAL" in rig.refusals()


def test_without_parking_it_would_trade_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review, "park_if_large", lambda core, slot, parked: False)
    assert places(asking().want(wants(target(LARGE)))) != []


def test_another_persons_approval_from_any_door_lets_it_go() -> None:
    rig = asking()
    rig.want(wants(target(LARGE)))
    done = rig.command(c.Approve(request="R1"), "bob", Door.TELEGRAM)
    assert done.ok
    assert [place.qty for place in places(rig.sent)] == [1_000]
    assert rig.told(RequestChanged)[-1].status is RequestStatus.APPROVED


def test_the_last_approved_target_stays_in_force_while_a_larger_one_waits() -> None:
    rig = asking()
    rig.hold_position(0.5)
    assert rig.want(wants(target(1.4))) == []
    assert rig.slot().target == 500
    (place,) = places(rig.want(wants(target(1.4), stop(59_000.0, "start"))))
    assert (place.trigger, place.qty) == (590_000, 500), "what is in force is protected meanwhile"
    assert pending(rig) == ["R1"]


def test_going_back_to_what_is_in_force_withdraws_the_request() -> None:
    rig = asking()
    rig.hold_position(0.5)
    rig.want(wants(target(1.4)))
    rig.want(wants(target(0.5, "start")))
    assert pending(rig) == []
    assert rig.command(c.Approve(request="R1"), "bob").reason is Reason.NOT_PENDING


def test_another_target_replaces_the_waiting_one() -> None:
    rig = asking()
    rig.want(wants(target(LARGE)))
    rig.want(wants(target(1.2)))
    assert pending(rig) == ["R2"]
    assert "replaced: the strategy wants 1.200 now" in rig.core.state.requests["R1"].text
    rig.command(c.Approve(request="R2"), "bob")
    assert [place.qty for place in places(rig.sent)] == [1_200]


def test_reducing_never_waits() -> None:
    rig = asking()
    rig.want(wants(target(LARGE)))
    rig.command(c.Approve(request="R1"), "bob")
    (place,) = places(rig.sent)
    rig.accept(place)
    rig.fill(place)
    assert [p.qty for p in places(rig.want(wants(target(0.0))))] == [1_000]


def test_slices_within_ten_minutes_add_up() -> None:
    rig = asking()
    for qty in (0.4, 0.8):
        for place in places(rig.want(wants(target(qty)))):
            rig.accept(place)
            rig.fill(place)
        rig.wait(60)
    assert rig.held() == 800
    assert rig.want(wants(target(0.9))) == []
    assert pending(rig) == ["R1"]


def test_what_was_added_long_ago_does_not_count() -> None:
    rig = asking()
    for qty in (0.4, 0.8, 1.2):
        for place in places(rig.want(wants(target(qty)))):
            rig.accept(place)
            rig.fill(place)
        rig.wait(601)
    assert rig.held() == 1_200


def test_manual_orders_in_slices_add_up_too() -> None:
    rig = asking()
    rig.touch()
    assert rig.command(by_hand("0.5"), "dot").ok
    done = rig.command(by_hand("0.5"), "dot")
    assert "waits for approval" in done.text
    assert pending(rig) == ["R1"]


def test_the_own_vote_of_who_asked_is_refused() -> None:
    rig = asking()
    rig.touch()
    rig.command(by_hand("1"), "bob")
    assert rig.command(c.Approve(request="R1"), "bob").reason is Reason.OWN_REQUEST
    assert rig.command(c.Approve(request="R1"), "cem").ok


def test_a_manual_order_asks_as_its_person() -> None:
    rig = asking()
    rig.touch()
    rig.command(by_hand("1"), "dot")
    assert rig.told(RequestChanged)[0].requester == "dot"
    assert rig.command(c.Approve(request="R1"), "dot").reason is Reason.ROLE


def test_a_request_expires_and_says_so() -> None:
    rig = asking()
    rig.want(wants(target(LARGE)))
    rig.wait(121)
    assert pending(rig) == []
    assert rig.told(RequestChanged)[-1].status is RequestStatus.EXPIRED
    assert rig.command(c.Approve(request="R1"), "bob").reason is Reason.NOT_PENDING
    assert places(rig.sent) == []


def test_a_denial_ends_it_and_the_same_entry_does_not_ask_again() -> None:
    rig = asking()
    rig.want(wants(target(LARGE)))
    assert rig.command(c.Deny(request="R1", reason="too much"), "bob").ok
    for price in (59_000.0, 59_100.0, 59_200.0):
        assert places(rig.want(wants(target(LARGE), stop(price)))) == []
    assert list(rig.core.state.requests) == ["R1"]
    rig.want(wants(target(LARGE, "e2")))
    assert pending(rig) == []
    assert "COOLING_DOWN" in rig.refusals()
    rig.wait(61)
    rig.want(wants(target(LARGE, "e3")))
    assert pending(rig) == ["R2"]


def test_an_expired_request_is_not_opened_again_by_the_same_entry() -> None:
    rig = asking()
    rig.want(wants(target(LARGE)))
    rig.wait(121)
    rig.want(wants(target(LARGE), stop(59_000.0)))
    assert pending(rig) == []


def test_a_smaller_target_of_a_denied_entry_may_still_go() -> None:
    rig = asking()
    rig.want(wants(target(LARGE)))
    rig.command(c.Deny(request="R1"), "bob")
    assert [place.qty for place in places(rig.want(wants(target(0.3))))] == [300]


def test_deny_is_for_approvers_and_for_who_asked() -> None:
    rig = asking()
    rig.touch()
    rig.command(by_hand("1"), "dot")
    assert rig.command(c.Deny(request="R1"), "eve").reason is Reason.ROLE
    assert rig.command(c.Deny(request="R1"), "dot").ok


def test_approval_looks_at_the_price_again() -> None:
    rig = asking()
    rig.want(wants(target(LARGE)))
    rig.touch(500_000, 500_010)
    done = rig.command(c.Approve(request="R1"), "bob")
    assert done.reason is Reason.PRICE_COLLAR
    assert rig.told(RequestChanged)[-1].status is RequestStatus.FAILED
    assert places(rig.sent) == []


def test_without_the_second_look_it_would_trade_at_any_price(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parked, "check_collar", lambda *_: None)
    monkeypatch.setattr(parked, "stale_price", lambda *_: None)
    rig = asking()
    rig.want(wants(target(LARGE)))
    rig.touch(500_000, 500_010)
    assert rig.command(c.Approve(request="R1"), "bob").ok


def test_approval_without_a_fresh_price_is_refused() -> None:
    rig = asking()
    rig.want(wants(target(LARGE)))
    rig.wait(100)
    assert rig.command(c.Approve(request="R1"), "bob").reason is Reason.PRICE_UNKNOWN


def test_approval_looks_at_the_limits_again() -> None:
    rig = asking()
    rig.want(wants(target(LARGE)))
    tight = Limits(max_position_notional=Decimal(20_000), max_order_notional=Decimal(20_000))
    settings = replace(ASKING, risk=replace(ASKING.risk, default_limits=tight))
    rig.command(c.ApplySettings(settings=settings, content_hash="tight"), door=Door.SYSTEM)
    done = rig.command(c.Approve(request="R1"), "bob")
    assert done.reason is Reason.POSITION_LIMIT
    assert places(rig.sent) == []


def test_approval_looks_at_the_limits_of_the_whole_portfolio_again() -> None:
    rig = asking()
    rig.want(wants(target(LARGE)))
    tight = replace(ASKING.risk, portfolio={**ASKING.risk.portfolio, "leverage": Decimal("0.01")})
    settings = replace(ASKING, risk=tight)
    rig.command(c.ApplySettings(settings=settings, content_hash="tight"), door=Door.SYSTEM)
    done = rig.command(c.Approve(request="R1"), "bob")
    assert done.reason is Reason.LEVERAGE
    assert places(rig.sent) == []


@pytest.mark.parametrize(("held", "reason"), [("halt", Reason.HALTED), ("hold", Reason.HELD)])
def test_approval_does_not_pass_a_halt_or_a_hold(held: str, reason: Reason) -> None:
    rig = asking()
    rig.want(wants(target(LARGE)))
    rig.command(c.Halt() if held == "halt" else c.SetHold(account=ACCOUNT, instrument=BTC.id), "dot")
    assert rig.command(c.Approve(request="R1"), "bob").reason in {reason, Reason.NOT_PENDING}
    assert places(rig.sent) == []


def test_where_nobody_could_approve_it_is_refused_and_told_once() -> None:
    rig = Rig(replace(ASKING, persons=PERSONS[3:])).start()
    for bid in (600_000, 600_001, 600_002):
        assert rig.want(wants(target(LARGE)), bid=bid) == []
    assert [alert.kind for alert in rig.told(Alerted)] == ["quorum"]
    assert "QUORUM_UNREACHABLE" in rig.refusals()
    assert pending(rig) == []


def test_where_nobody_could_approve_a_manual_order_is_refused_in_words() -> None:
    rig = Rig(replace(ASKING, persons=PERSONS[3:])).start()
    rig.touch()
    done = rig.command(by_hand("1"), "dot")
    assert done.reason is Reason.QUORUM_UNREACHABLE
    assert "not enough persons" in done.text


def test_quotes_and_takes_are_clipped_to_the_envelope_instead_of_waiting() -> None:
    rig = asking()
    sent = places(rig.want(wants(quote(1, 59_990.0, 2.0), take(rig, qty=2.0))))
    assert all(place.qty <= 833 for place in sent)
    assert sum(place.qty for place in sent) <= 834
    assert pending(rig) == []
    assert "ENVELOPE" in rig.refusals()


def test_raising_the_envelope_is_what_is_approved() -> None:
    rig = asking()
    (clipped,) = places(rig.want(wants(quote(1, 59_990.0, 1.5))))
    rig.accept(clipped)
    done = rig.command(c.RaiseEnvelope(strategy="script", notional=Decimal(95_000)), "bob")
    assert done.request
    rig.command(c.Approve(request=done.request), "cem")
    rig.command(c.Approve(request=done.request), "ann")
    rig.sent.clear()
    rig.want(wants(quote(1, 59_980.0, 1.6)))
    assert [getattr(intent, "qty", 0) for intent in rig.sent] == [1_583]


def test_a_protection_never_waits() -> None:
    rig = asking()
    rig.hold_position(0.8)
    (resting,) = places(rig.want(wants(target(0.8, "start"), stop(59_000.0, "start"))))
    assert resting.trigger == 590_000


def test_a_conviction_is_sized_once_and_keeps_its_size_for_the_entry() -> None:
    rig = asking()
    (first,) = places(rig.want(wants(aim(Strength(1.0)))))
    rig.accept(first)
    rig.fill(first)
    assert rig.want(wants(aim(Strength(0.7))), bid=550_000, ask=550_010) == []
    assert rig.held() == first.qty


def test_a_conviction_that_turns_is_sized_anew() -> None:
    rig = Rig(replace(ASKING, approvals=ApprovalSettings(enabled=False))).start()
    (first,) = places(rig.want(wants(aim(Strength(1.0)))))
    rig.accept(first)
    rig.fill(first)
    (turn,) = places(rig.want(wants(aim(Strength(-1.0)))))
    assert turn.side == -1
    assert turn.qty > first.qty


def test_requests_survive_a_crash_and_still_expire() -> None:
    rig = asking()
    rig.want(wants(target(LARGE)))
    rig.wait(60)
    rig.crash()
    assert pending(rig) == ["R1"]
    for account in (ACCOUNT, SUB):
        rig.snapshot(account=account)
    rig.wait(61)
    assert pending(rig) == []


def test_an_approval_after_a_crash_still_counts() -> None:
    rig = asking()
    rig.want(wants(target(LARGE)))
    rig.crash()
    for account in (ACCOUNT, SUB):
        rig.snapshot(account=account)
    rig.touch()
    rig.sent.clear()
    assert rig.command(c.Approve(request="R1"), "bob").ok
    assert [place.qty for place in places(rig.sent)] == [1_000]


def test_pausing_or_unloading_withdraws_what_waits() -> None:
    rig = asking()
    rig.want(wants(target(LARGE)))
    rig.command(c.PauseStrategy(strategy="script"), "dot")
    assert pending(rig) == []


def test_with_approvals_off_nothing_waits() -> None:
    rig = Rig(replace(ASKING, approvals=ApprovalSettings(enabled=False))).start()
    assert places(rig.want(wants(target(LARGE)))) != []


def test_every_target_is_judged_by_its_own_contract() -> None:
    """The same quantity of something cheaper is not large."""
    from domain.settings import StrategySpec

    rig = asking()
    rig.load(StrategySpec(id="eth", kind="script", account=SUB, instruments=(ETH.id,)))
    rig.script_of("eth").wants = Desired(targets=(target(LARGE, instrument=ETH.id),))
    rig.sent.clear()
    rig.touch(300_000, 300_010, ETH.id)
    assert [place.qty for place in places(rig.sent)] == [100]


def test_a_vote_is_for_what_was_to_be_added_then() -> None:
    """A stop has closed what the request was built on: letting it go now would add more than anyone agreed to."""
    rig = asking()
    rig.hold_position(0.5, "e1")
    rig.want(wants(target(0.5, "e1"), stop(59_000.0)))
    (guard,) = places(rig.sent)
    rig.accept(guard)
    rig.want(wants(target(1.5, "e1"), stop(59_000.0)))
    assert pending(rig) == ["R1"]
    rig.slot().stop_entry = rig.slot().entry = "e0"
    rig.fill(guard, price=590_000)
    done = rig.command(c.Approve(request="R1"), "bob")
    assert done.reason is Reason.MOVED
    rig.wait(1)
    rig.want(wants(target(1.4, "e1"), stop(58_000.0)))
    assert "DECLINED" not in rig.refusals()
