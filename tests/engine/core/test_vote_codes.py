"""One-time codes count once and wrong ones lock; what adds risk by a strategy's parameters, or its loading, asks."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from domain import commands as c
from domain.commands import AddsRisk, ParamRule
from domain.events import History
from domain.facts import Alerted, Severity, StrategyStatus
from domain.security import CodeMissed
from domain.verdict import Reason
from tests.engine.core.rig import SUB
from tests.engine.core.test_approval_rules import asking, ballot, resume_asked


def test_where_codes_are_needed_a_vote_without_one_does_not_count() -> None:
    rig = asking(codes=True)
    request = resume_asked(rig)
    assert rig.command(ballot(request), "cem").reason is Reason.CODE_NEEDED
    assert rig.command(ballot(request, step=-1), "cem").reason is Reason.CODE_WRONG
    assert rig.command(ballot(request, step=9), "cem").ok


def test_a_code_counts_once_also_for_another_request_and_after_a_restart() -> None:
    rig = asking(codes=True)
    first, second = resume_asked(rig), resume_asked(rig, "ann")
    assert rig.command(ballot(first, step=9), "cem").reason is Reason.NOT_PENDING
    assert rig.command(ballot(second, step=9), "cem").reason is Reason.CODE_USED
    rig.crash()
    assert rig.command(ballot(second, step=9), "cem").reason is Reason.CODE_USED
    assert rig.command(ballot(second, step=10), "cem").ok


def test_five_wrong_codes_lock_for_fifteen_minutes_and_people_hear_of_it() -> None:
    rig = asking(codes=True)
    request = resume_asked(rig)
    for _ in range(5):
        rig.ingest(CodeMissed(person="cem", source="telegram"))
    assert rig.command(ballot(request, step=20), "cem").reason is Reason.LOCKED
    lock = next(alert for alert in rig.told(Alerted) if alert.kind == "code_lock")
    assert lock.severity is Severity.CRITICAL
    assert "cem" in lock.text
    rig.crash()
    assert rig.command(ballot(request, step=20), "cem").reason is Reason.LOCKED
    rig.wait(15 * 60)
    assert rig.command(ballot(resume_asked(rig), step=50), "cem").ok


def test_four_wrong_codes_and_a_right_one_lock_nobody() -> None:
    rig = asking(codes=True)
    request = resume_asked(rig)
    for _ in range(4):
        rig.ingest(CodeMissed(person="cem", source="telegram"))
    assert rig.command(ballot(request, step=20), "cem").ok
    for _ in range(4):
        rig.ingest(CodeMissed(person="cem", source="telegram"))
    assert rig.core.state.standings["cem"].locked_until_ns == 0


def test_where_codes_are_needed_asking_is_no_vote() -> None:
    rig = asking(codes=True, requester_counts=True)
    request = resume_asked(rig)
    assert rig.core.state.requests[request].votes == []
    assert rig.command(ballot(request, step=3), "bob").ok


def test_without_remembering_codes_one_would_count_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.core.people.use_code", lambda *_, **__: None)
    rig = asking(codes=True)
    request = resume_asked(rig)
    assert rig.command(ballot(request), "cem").ok


def change(value: Any, adds: AddsRisk | None = AddsRisk.RAISED, name: str = "qty") -> c.SetParams:
    rules = {name: ParamRule(adds, 1.0)} if adds is not None else {}
    return c.SetParams(strategy="script", params={name: value}, rules=rules)


@pytest.mark.parametrize(
    ("value", "adds", "asks"),
    [
        (2.0, AddsRisk.RAISED, True),
        (0.5, AddsRisk.RAISED, False),
        (1.0, AddsRisk.RAISED, False),
        (0.5, AddsRisk.LOWERED, True),
        (2.0, AddsRisk.LOWERED, False),
        (2.0, AddsRisk.NEVER, False),
        (0.5, AddsRisk.ALWAYS, True),
        (1.0, AddsRisk.ALWAYS, False),
        (float("nan"), AddsRisk.RAISED, True),
        ("much", AddsRisk.RAISED, True),
        (0.5, None, True),
    ],
)
def test_a_change_of_parameters_that_adds_risk_asks(value: Any, adds: AddsRisk | None, asks: bool) -> None:
    rig = asking()
    done = rig.command(change(value, adds), "dot")
    assert bool(done.request) == asks, done.text
    assert bool(rig.core.state.requests) == asks


def test_parameters_change_when_two_others_agree_and_not_if_they_are_others_by_then(monkeypatch: Any) -> None:
    monkeypatch.setattr("engine.core.strategies.ensure_code", lambda *_, **__: "")
    rig = asking()
    request = rig.command(change(2.0), "dot").request
    rig.command(ballot(request), "bob")
    rig.command(change(0.5), "dot")
    assert rig.command(ballot(request), "cem").reason is Reason.MOVED
    again = rig.command(change(2.0), "dot").request
    rig.command(ballot(again), "bob")
    assert rig.command(ballot(again), "cem").ok
    assert rig.core.state.strategies["script"].spec.params == {"qty": 2.0}


def test_where_loading_takes_a_vote_a_trader_does_not_put_other_parameters_to_work_alone() -> None:
    rig = asking(load_votes=1)
    spec = replace(rig.core.state.strategies["script"].spec, id="again", account=SUB, params={"qty": 9})
    rig.scripts["again"] = rig.script
    asked = rig.command(c.LoadStrategy(spec=spec), "dot")
    assert "load script as again" in asked.text
    assert "again" not in rig.core.state.strategies
    assert rig.command(ballot(asked.request), "bob").ok
    assert "again" in rig.core.state.strategies
    rig.command(c.PauseStrategy(strategy="script"), "dot")
    start = rig.command(c.StartStrategy(strategy="script"), "dot").request
    assert rig.command(ballot(start), "bob").ok


def test_a_strategy_whose_file_has_changed_since_it_was_asked_for_is_not_loaded(monkeypatch: Any) -> None:
    rig = asking(load_votes=1)
    spec = replace(rig.core.state.strategies["script"].spec, id="again", account=SUB)
    rig.scripts["again"] = rig.script
    asked = rig.command(c.LoadStrategy(spec=spec, source_hash="0" * 64), "dot")
    monkeypatch.setattr(type(rig.script), "source", "another text")
    done = rig.command(ballot(asked.request), "bob")
    assert done.reason is Reason.BAD_VALUE
    assert "its file has changed since it was asked for" in done.text


def test_parameters_that_add_no_risk_do_not_start_what_a_vote_would_have_to() -> None:
    rig = asking(load_votes=1)
    rig.command(c.PauseStrategy(strategy="script"), "dot")
    assert rig.command(change(1, AddsRisk.NEVER), "dot").ok
    rig.ingest(History(strategy="script", complete=True))
    assert rig.core.state.strategies["script"].status is StrategyStatus.PAUSED
    rig.core.state.strategies["script"].status = StrategyStatus.QUARANTINED
    assert rig.command(change(2, AddsRisk.NEVER), "dot").request


def test_a_request_is_the_same_after_a_crash_whatever_order_its_parameters_came_in() -> None:
    rig = asking(load_votes=1)
    spec = replace(rig.core.state.strategies["script"].spec, id="again", account=SUB, params={"seed": 1, "act": 2})
    asked = rig.command(c.LoadStrategy(spec=spec), "dot").request
    digest = rig.core.state.requests[asked].digest
    rig.crash()
    assert rig.core.state.requests[asked].digest == digest


def test_a_code_that_a_person_gave_in_a_browser_counts_as_used_also_after_a_crash() -> None:
    rig = asking(codes=True)
    assert rig.command(c.StepUp(purpose="a token", step=9), "cem").ok
    assert rig.command(c.StepUp(purpose="a token", step=9), "cem").reason is Reason.CODE_USED
    rig.crash()
    assert rig.command(c.StepUp(purpose="a token", step=9), "cem").reason is Reason.CODE_USED
    assert rig.command(c.StepUp(purpose="a token"), "cem").reason is Reason.CODE_NEEDED
    assert rig.command(ballot(resume_asked(rig), step=9), "cem").reason is Reason.CODE_USED


def test_a_program_votes_for_nobody_whatever_its_token_says() -> None:
    rig = asking(codes=True)
    request = resume_asked(rig)
    for command in (ballot(request, step=9), c.Deny(request=request), c.BreakGlass(action="halt", reason="x", step=9)):
        assert rig.command(command, "cem", door=c.Door.API).reason is Reason.NEEDS_PERSON
    assert rig.command(c.StepUp(purpose="x", step=9), "cem", door=c.Door.API).reason is Reason.NEEDS_PERSON
    assert rig.command(ballot(request, step=9), "cem").ok
