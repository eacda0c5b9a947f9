"""The rules of approvals that one person alone would like to get round (`docs/approvals.md` has the table)."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from domain import commands as c
from domain.commands import Door
from domain.facts import CommandDone, RequestChanged, RequestStatus, TradingState
from domain.order import Place
from domain.security import CodeMissed
from domain.settings import ApprovalSettings, Person, RoleName
from domain.verdict import Reason
from engine.core import requests
from engine.core.journal.memory import MemoryJournal
from engine.core.recovery import recover
from tests.engine.core.rig import ACCOUNT, ASKING, BTC, SUB, Rig, places, target, wants

HOUR_NS = 3_600_000_000_000
LARGE = 1.0
"""60,000 where 50,000 may pass."""
NEW = Person(id="new", name="New", role=RoleName.RISK, telegram_user_id=77)


def asking(**approvals: Any) -> Rig:
    return Rig(replace(ASKING, approvals=ApprovalSettings(**approvals))).start()


def large(rig: Rig) -> str:
    """A large order of the strategy waits."""
    rig.want(wants(target(LARGE, f"e{rig.commands}")))
    return list(rig.core.state.requests)[-1]


def resume_asked(rig: Rig, person: str = "bob") -> str:
    rig.command(c.Halt(), "dot")
    return rig.command(c.Resume(), person).request


def latched(rig: Rig) -> TradingState:
    return rig.core.state.latched


def ballot(request: str, step: int = 0, digest: str = "") -> c.Approve:
    return c.Approve(request=request, step=step, digest=digest)


def settle(rig: Rig, **changed: Any) -> None:
    """Settings change by the configuration."""
    settings = replace(rig.core.state.settings, **changed)
    digest = f"h{rig.commands}"
    done = rig.command(c.ApplySettings(settings=settings, content_hash=digest), door=Door.SYSTEM)
    assert done.ok, done.text


# 2, 10: exactly once


def test_a_race_of_presses_executes_once() -> None:
    rig = asking()
    request = large(rig)
    for _ in range(8):
        for voter in ("bob", "cem", "ann"):
            rig.command(ballot(request), voter)
    assert [place.qty for place in places(rig.sent)] == [1_000]
    answers = [done for done in rig.told(CommandDone) if done.verb == "approve"]
    assert [done.ok for done in answers] == [True] + [False] * 23
    assert {done.reason for done in answers[1:]} == {Reason.NOT_PENDING}


@pytest.mark.parametrize("durable", [True, False])
def test_a_crash_at_the_last_vote_executes_once_or_not_at_all(durable: bool) -> None:
    """The vote and what follows from it are one event: it is in the journal whole, or it never was."""
    journal = MemoryJournal()
    rig = Rig(ASKING, journal).start()
    request = large(rig)
    journal.hold = True
    rig.submit(ballot(request), "bob")
    assert places(rig.sent) == [], "nothing that adds risk leaves before the vote is on disk"
    if durable:
        journal.flush()
        rig.kernel.release(journal.durable_seq)
        assert [place.qty for place in places(rig.sent)] == [1_000]
    sent = {place.cid for place in places(rig.sent)}
    core, _ = recover(journal.reopened(), rig.make_core, "b")
    status = core.state.requests[request].status
    assert status is (RequestStatus.APPROVED if durable else RequestStatus.PENDING)
    working = {cid for slot in core.state.slots.values() for cid in slot.orders}
    assert working == sent
    assert len(working) == (1 if durable else 0)


def test_what_was_executed_is_not_executed_by_the_same_vote_after_a_restart() -> None:
    rig = asking()
    request = large(rig)
    rig.command(ballot(request), "bob", request_id="tg:1")
    rig.crash()
    assert rig.command(ballot(request), "bob", request_id="tg:1").reason is Reason.REPEATED
    assert rig.command(ballot(request), "cem").reason is Reason.NOT_PENDING
    assert not [intent for intent in rig.sent if isinstance(intent, Place) and not intent.reduce_only]


def test_votes_replay_bit_for_bit() -> None:
    rig = asking(codes=True)
    request = resume_asked(rig)
    rig.ingest(CodeMissed(person="cem", source="telegram"))
    rig.command(ballot(request, step=5), "cem")
    rig.command(ballot(request, step=6), "ann")
    core, _ = recover(rig.journal.reopened(), rig.make_core, "b")
    assert core.state == rig.core.state
    assert core.state.standings["cem"].step == 5


# 3: persons, not accounts


def test_the_same_human_on_two_channels_votes_once() -> None:
    rig = asking()
    request = resume_asked(rig)
    assert rig.command(ballot(request), "cem", Door.TELEGRAM).ok
    assert rig.command(ballot(request), "cem", Door.DISCORD).reason is Reason.ALREADY_VOTED


def test_a_new_link_waits_at_its_own_door_and_a_founding_one_does_not() -> None:
    rig = asking(link_wait_ns=24 * HOUR_NS)
    linked = tuple(replace(p, discord_user_id=5) if p.id == "cem" else p for p in ASKING.persons)
    settle(rig, persons=linked)
    request = resume_asked(rig)
    assert rig.command(ballot(request), "cem", Door.DISCORD).reason is Reason.TOO_NEW
    assert rig.command(ballot(request), "cem", Door.TERMINAL).ok
    rig.wait(24 * 3_600)
    request = resume_asked(rig)
    assert rig.command(ballot(request), "cem", Door.DISCORD).ok


# 12: roles


def test_a_new_role_waits_before_it_votes_also_through_a_restart() -> None:
    rig = asking(role_wait_ns=24 * HOUR_NS)
    settle(rig, persons=(*ASKING.persons, NEW))
    request = resume_asked(rig)
    done = rig.command(ballot(request), "new")
    assert done.reason is Reason.TOO_NEW
    assert "86400 s to go" in done.text
    rig.crash()
    assert rig.command(ballot(request), "new").reason in {Reason.TOO_NEW, Reason.NOT_PENDING}
    rig.wait(24 * 3_600)
    assert rig.command(ballot(resume_asked(rig)), "new").ok


def test_what_was_known_of_a_person_who_is_gone_is_forgotten_and_one_who_returns_is_new() -> None:
    rig = asking(role_wait_ns=24 * HOUR_NS)
    everybody = (*ASKING.persons, NEW)
    settle(rig, persons=everybody)
    rig.wait(24 * 3_600)
    assert rig.command(ballot(resume_asked(rig)), "new").ok
    settle(rig, persons=ASKING.persons)
    assert "new" not in rig.core.state.standings
    settle(rig, persons=everybody)
    assert rig.command(ballot(resume_asked(rig)), "new").reason is Reason.TOO_NEW


def test_votes_that_come_too_late_do_not_make_a_quorum_reachable() -> None:
    rig = asking(role_wait_ns=24 * HOUR_NS)
    demoted = tuple(replace(p, role=RoleName.TRADER) if p.id == "cem" else p for p in ASKING.persons)
    settle(rig, persons=(*demoted, NEW))
    rig.command(c.Halt(), "dot")
    assert rig.command(c.Resume(), "bob").reason is Reason.QUORUM_UNREACHABLE


def test_settings_whose_quorum_nobody_could_reach_are_refused_with_the_fix() -> None:
    rig = asking()
    few = replace(rig.settings, persons=tuple(p for p in rig.settings.persons if p.id != "cem"))
    done = rig.command(c.ApplySettings(settings=few, content_hash="few"), "ann")
    assert done.reason is Reason.QUORUM_UNREACHABLE
    assert "approvals.override_votes" in done.text
    assert "requester_counts: true" in done.text
    nobody = replace(rig.settings, persons=())
    assert rig.command(c.ApplySettings(settings=nobody, content_hash="0"), "ann").reason is Reason.QUORUM_UNREACHABLE


# 5: what is approved is exactly what executes


def test_a_vote_for_another_digest_is_refused() -> None:
    rig = asking()
    request = large(rig)
    seen = rig.core.state.requests[request].digest[:8]
    assert rig.command(ballot(request, digest="00000000"), "bob").reason is Reason.DIGEST
    done = rig.command(ballot(request, digest=seen), "bob")
    assert done.ok
    assert seen in done.text


@pytest.mark.parametrize("field", ["text", "requester", "expires_ns", "needed", "revision"])
def test_what_was_changed_behind_the_voters_backs_is_not_carried_out(field: str) -> None:
    rig = asking()
    request = rig.core.state.requests[large(rig)]
    other = {"needed": 0, "expires_ns": request.expires_ns + 1}
    setattr(request, field, other.get(field, "x"))
    done = rig.command(ballot(request.id), "bob")
    assert done.reason is Reason.DIGEST
    assert request.status is RequestStatus.FAILED
    assert places(rig.sent) == []


def test_the_digest_covers_the_settings_and_the_expiry() -> None:
    rig = asking()
    made = rig.core.state.requests[large(rig)]
    before = requests.content_digest(made)
    assert len(before) == 64
    assert requests.content_digest(replace_in(made, revision="other")) != before
    assert requests.content_digest(replace_in(made, expires_ns=made.expires_ns + 1)) != before


def replace_in(made: Any, **changed: Any) -> Any:
    return dataclasses.replace(made, **changed)


# 8: expiry


def test_people_are_reminded_when_half_of_the_time_is_over() -> None:
    rig = asking()
    request = large(rig)
    rig.wait(59)
    assert not any(fact.reminder for fact in rig.told(RequestChanged))
    rig.wait(1)
    assert [fact.request for fact in rig.told(RequestChanged) if fact.reminder] == [request]
    rig.wait(60)
    assert rig.core.state.requests[request].status is RequestStatus.EXPIRED


def test_what_ran_out_while_the_engine_was_down_is_over_before_anybody_can_vote() -> None:
    rig = asking()
    request = resume_asked(rig)
    rig.command(ballot(request), "cem")
    rig.now_ns += 15 * 60 * 1_000_000_000
    rig.crash()
    assert rig.core.state.requests[request].status is RequestStatus.EXPIRED
    assert rig.command(ballot(request), "ann").reason is Reason.NOT_PENDING
    assert rig.core.state.latched is TradingState.HALTED


def test_a_vote_in_the_moment_of_expiry_is_late() -> None:
    rig = asking()
    request = resume_asked(rig)
    rig.now_ns += 15 * 60 * 1_000_000_000
    assert rig.command(ballot(request), "cem").reason is Reason.EXPIRED
    assert rig.core.state.requests[request].status is RequestStatus.EXPIRED


def test_new_settings_have_a_day_and_an_override_a_quarter_of_an_hour() -> None:
    rig = asking()
    wider = replace(rig.settings, approvals=ApprovalSettings(order_ttl_ns=1))
    rig.command(c.ApplySettings(settings=wider, content_hash="w"), "ann")
    resume_asked(rig)
    lives = [(r.expires_ns - r.created_ns) // 1_000_000_000 for r in rig.core.state.requests.values()]
    assert lives == [86_400, 900]


# 9: looked at again


@pytest.mark.parametrize(
    ("bid", "age_s", "reason"),
    [(614_000, 0, Reason.PRICE_COLLAR), (600_000, 31, Reason.PRICE_UNKNOWN), (605_000, 29, None)],
)
def test_an_approved_order_meets_the_market_that_was_voted_on(bid: int, age_s: int, reason: Reason | None) -> None:
    rig = asking()
    request = large(rig)
    rig.script.wants = wants(target(LARGE, f"e{rig.commands}"))
    rig.touch(bid, bid + 10)
    rig.wait(age_s)
    done = rig.command(ballot(request), "bob")
    assert done.reason is reason, done.text
    assert bool(places(rig.sent)) == (reason is None)


def test_the_stricter_of_old_and_new_rules_holds() -> None:
    rig = asking()
    request = resume_asked(rig)
    rig.command(ballot(request), "cem")
    strict = ApprovalSettings(approver_role=RoleName.ADMIN, override_votes=1, order_votes=1, requester_counts=True)
    admins = tuple(replace(p, role=RoleName.ADMIN) if p.id == "dot" else p for p in ASKING.persons)
    settle(rig, approvals=strict, persons=admins)
    assert rig.command(ballot(request), "cem").reason is Reason.ROLE, "the new role"
    assert rig.command(ballot(request), "dot").ok
    assert latched(rig) is TradingState.HALTED, "the old number of votes, without those who lost their voice"
    assert rig.command(ballot(request), "ann").ok
    assert latched(rig) is TradingState.ACTIVE


def test_new_settings_asked_for_before_others_came_into_force_are_asked_for_again() -> None:
    rig = asking()
    wider = replace(rig.settings, approvals=ApprovalSettings(large_fraction=Decimal("0.5")))
    request = rig.command(c.ApplySettings(settings=wider, content_hash="wider"), "ann").request
    settle(rig, approvals=ApprovalSettings(large_fraction=Decimal("0.01")))
    rig.command(ballot(request), "bob")
    assert rig.command(ballot(request), "cem").reason is Reason.MOVED
    assert rig.core.state.settings.approvals.large_fraction == Decimal("0.01")


# 7, 17: denials, and approvers are not worn out


def test_a_denial_without_a_reason_asks_for_one_and_takes_it_from_who_denied() -> None:
    rig = asking()
    request = resume_asked(rig)
    assert "Why?" in rig.command(c.Deny(request=request), "cem").text
    assert rig.command(c.Deny(request=request, reason="mine"), "ann").reason is Reason.NOT_PENDING
    assert rig.command(c.Deny(request=request, reason="too early"), "cem").ok
    assert "because too early" in rig.core.state.requests[request].text
    assert rig.command(c.Deny(request=request, reason="again"), "cem").reason is Reason.NOT_PENDING


def test_who_was_denied_does_not_ask_again_at_once_and_who_withdraws_may() -> None:
    rig = asking()
    request = resume_asked(rig)
    rig.command(c.Deny(request=request, reason="no"), "cem")
    assert rig.command(c.Resume(), "bob").reason is Reason.COOLING_DOWN
    assert rig.command(c.Resume(), "ann").ok
    rig.wait(60)
    mine = rig.command(c.Resume(), "bob").request
    rig.command(c.Deny(request=mine), "bob")
    assert rig.command(c.Resume(), "bob").ok


def test_five_requests_of_one_person_may_be_open() -> None:
    rig = asking()
    for number in range(5):
        rig.load(replace(rig.core.state.strategies["script"].spec, id=f"s{number}", account=SUB, instruments=()))
        assert rig.command(c.RaiseEnvelope(strategy=f"s{number}", notional=Decimal(9)), "bob").ok
    done = rig.command(c.RaiseEnvelope(strategy="script", notional=Decimal(9)), "bob")
    assert done.reason is Reason.TOO_MANY_OPEN
    assert "R1, R2, R3, R4, R5" in done.text
    assert rig.command(c.RaiseEnvelope(strategy="script", notional=Decimal(9)), "cem").ok


def test_the_same_asked_twice_is_one_request() -> None:
    rig = asking()
    first = resume_asked(rig)
    again = rig.command(c.Resume(), "bob")
    assert again.request == first
    assert len(rig.core.state.requests) == 1


# mutations: each rule is what stands in the way


def test_without_the_digest_another_content_would_be_carried_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "content_digest", lambda request: request.digest)
    rig = asking()
    request = rig.core.state.requests[large(rig)]
    request.requester = "dot"
    assert rig.command(ballot(request.id), "bob").ok


def test_the_account_in_the_tests_is_the_one_that_asks() -> None:
    rig = asking()
    rig.touch()
    rig.command(c.ManualTarget(account=SUB, instrument=BTC.id, qty=Decimal(1)), "dot")
    assert [r.requester for r in rig.core.state.requests.values()] == ["dot"]
    assert rig.slot(BTC.id, SUB).parked == "R1"
    assert rig.slot(BTC.id, ACCOUNT).parked == ""


def test_who_loses_the_role_and_gets_it_back_has_lost_the_vote() -> None:
    rig = asking(role_wait_ns=0)
    request = resume_asked(rig, "ann")
    assert rig.command(ballot(request), "bob").ok
    for role in (RoleName.TRADER, RoleName.RISK):
        persons = rig.core.state.settings.persons
        extra = () if any(p.id == "new" for p in persons) else (NEW,)
        settle(rig, persons=(*(replace(p, role=role) if p.id == "bob" else p for p in persons), *extra))
    assert rig.core.state.requests[request].votes == []
    assert rig.told(RequestChanged)[-1].votes == ()
    assert "needs 1 more" in rig.command(ballot(request), "cem").text
    assert rig.command(ballot(request), "bob").ok
