"""Who puts a strategy to work is behind its large orders: their own vote on them does not count."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from domain import commands as c
from domain.commands import AddsRisk, ParamRule
from domain.events import History
from domain.facts import RequestStatus
from domain.settings import RoleName
from domain.verdict import Reason
from engine.core import requests
from tests.engine.core.rig import ACCOUNT, BTC, SPEC, SUB, Rig, places, stop, target, wants
from tests.engine.core.test_approval_rules import asking, ballot, large

LARGE = 1.0


def pause(rig: Rig) -> None:
    assert rig.command(c.PauseStrategy(strategy="script"), "dot").ok


def start(rig: Rig, person: str) -> None:
    assert rig.command(c.StartStrategy(strategy="script"), person).ok


def load_again(rig: Rig, person: str) -> None:
    assert rig.command(c.UnloadStrategy(strategy="script"), "dot").ok
    assert rig.command(c.LoadStrategy(spec=SPEC), person).ok
    rig.ingest(History(strategy="script", complete=True))


def start_again(rig: Rig, person: str) -> None:
    pause(rig)
    start(rig, person)


def give_parameters(rig: Rig, person: str) -> None:
    rules = {"qty": ParamRule(AddsRisk.NEVER, 1.0)}
    assert rig.command(c.SetParams(strategy="script", params={"qty": 2.0}, rules=rules), person).ok
    rig.ingest(History(strategy="script", complete=True))


@pytest.mark.parametrize("put_to_work", [load_again, start_again, give_parameters])
def test_who_put_a_strategy_to_work_does_not_approve_its_large_order_alone(put_to_work: Any) -> None:
    rig = asking()
    put_to_work(rig, "bob")
    request = large(rig)
    assert rig.command(ballot(request), "bob").reason is Reason.OWN_REQUEST
    assert places(rig.sent) == []
    assert rig.command(ballot(request), "cem").ok
    assert [place.qty for place in places(rig.sent)] == [1_000]


def test_voters_see_who_put_it_to_work() -> None:
    rig = asking()
    load_again(rig, "bob")
    made = rig.core.state.requests[large(rig)]
    assert made.requester == "bob"
    assert made.text.startswith("script (put to work by bob) wants 1.000 BTC")


def test_what_the_configuration_loaded_has_nobody_behind_it_and_anyone_may_vote() -> None:
    rig = asking()
    request = large(rig)
    assert rig.core.state.requests[request].requester == ""
    assert rig.command(ballot(request), "bob").ok


def test_who_asked_for_a_load_that_others_agreed_to_is_behind_it() -> None:
    rig = asking(load_votes=1)
    rig.command(c.UnloadStrategy(strategy="script"), "dot")
    asked = rig.command(c.LoadStrategy(spec=SPEC), "bob").request
    assert rig.command(ballot(asked), "cem").ok
    rig.ingest(History(strategy="script", complete=True))
    request = large(rig)
    assert rig.command(ballot(request), "bob").reason is Reason.OWN_REQUEST
    assert rig.command(ballot(request), "cem").ok


def test_where_the_requester_counts_they_still_have_to_vote_on_what_a_strategy_wants() -> None:
    rig = asking(order_votes=2, requester_counts=True)
    start_again(rig, "bob")
    request = large(rig)
    assert rig.core.state.requests[request].votes == []
    assert "needs 1 more" in rig.command(ballot(request), "bob").text
    assert rig.command(ballot(request), "ann").ok


def test_a_start_that_is_refused_changes_nobody() -> None:
    rig = asking()
    start_again(rig, "bob")
    assert rig.command(c.StartStrategy(strategy="script"), "cem").reason is Reason.WRONG_STATE
    assert rig.core.state.strategies["script"].by == "bob"


def test_the_requests_of_a_strategy_are_counted_for_it_and_not_for_the_person() -> None:
    rig = asking(max_open=1)
    start_again(rig, "bob")
    request = rig.core.state.requests[large(rig)]
    assert request.asker == "script"
    asked = rig.command(c.RaiseEnvelope(strategy="script", notional=BTC.multiplier), "bob")
    assert asked.request, asked.text
    assert rig.command(c.Deny(request=request.id, reason="no"), "bob").ok
    rig.want(wants(target(LARGE, "another")))
    assert "COOLING_DOWN" in rig.refusals()


def test_what_a_strategy_wants_is_carried_out_although_who_started_it_has_lost_the_role() -> None:
    rig = asking()
    start_again(rig, "bob")
    request = large(rig)
    settings = rig.core.state.settings
    persons = tuple(replace(p, role=RoleName.VIEWER) if p.id == "bob" else p for p in settings.persons)
    few = replace(settings.approvals, override_votes=1)
    command = c.ApplySettings(settings=replace(settings, persons=persons, approvals=few), content_hash="h")
    assert rig.command(command, door=c.Door.SYSTEM).ok
    assert rig.command(ballot(request), "cem").ok


@pytest.mark.parametrize("put_to_work", [load_again, start_again])
@pytest.mark.parametrize("build", ["b", "another"])
def test_a_crash_and_another_build_keep_who_is_behind_it(put_to_work: Any, build: str) -> None:
    rig = asking()
    put_to_work(rig, "bob")
    rig.crash(build)
    assert rig.core.state.strategies["script"].by == "bob"
    assert requests.parked_by(rig.core, rig.slot()) == "bob"
    for account in (ACCOUNT, SUB):
        rig.snapshot(account=account)
    rig.ingest(History(strategy="script", complete=True))
    if build == "b":
        rig.want(wants(target(LARGE, "after"), stop(59_000.0, "after")))
        (waits,) = [r for r in rig.core.state.requests.values() if r.status is RequestStatus.PENDING]
        assert rig.command(ballot(waits.id), "bob").reason is Reason.OWN_REQUEST
