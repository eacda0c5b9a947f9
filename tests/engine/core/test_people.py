"""Who may do what, once, and with whose agreement; and rule 15: every no is a coded reason that reads as a sentence."""

from __future__ import annotations

from decimal import Decimal
from itertools import product
from typing import Any, get_args

import pytest
from msgspec.structs import replace

from domain import commands as c
from domain.commands import Door
from domain.facts import RequestChanged, RequestStatus, TradingState
from domain.settings import ApprovalSettings, Person, RoleName
from domain.verdict import Reason
from engine.core import commands
from engine.core.commands import REMEMBERED_COMMANDS
from engine.core.roles import ROLE_NEEDED
from tests.engine.core.rig import ACCOUNT, ASKING, BTC, SPEC, WIDE, Rig, places, target, wants

SAMPLES: dict[type[c.Command], c.Command] = {
    c.Halt: c.Halt(),
    c.Resume: c.Resume(),
    c.Flatten: c.Flatten(),
    c.Approve: c.Approve(request="R9"),
    c.Deny: c.Deny(request="R9"),
    c.LoadStrategy: c.LoadStrategy(spec=SPEC),
    c.UnloadStrategy: c.UnloadStrategy(strategy="script"),
    c.StartStrategy: c.StartStrategy(strategy="script"),
    c.PauseStrategy: c.PauseStrategy(strategy="script"),
    c.SetParams: c.SetParams(strategy="script"),
    c.ManualTarget: c.ManualTarget(account=ACCOUNT, instrument=BTC.id, qty=Decimal("0.1")),
    c.CancelOrders: c.CancelOrders(cids=("rig-1-1-1",)),
    c.ManualLimit: c.ManualLimit(account=ACCOUNT, instrument=BTC.id, qty=Decimal("0.1"), price=Decimal(59_000)),
    c.CancelOrder: c.CancelOrder(cid="x"),
    c.SetHold: c.SetHold(account=ACCOUNT, instrument=BTC.id),
    c.SetCap: c.SetCap(account=ACCOUNT, instrument=BTC.id, qty=Decimal(1)),
    c.RaiseEnvelope: c.RaiseEnvelope(strategy="script", notional=Decimal(1)),
    c.ApplySettings: c.ApplySettings(settings=WIDE, content_hash="h"),
    c.SetBreaker: c.SetBreaker(name="PAPER"),
    c.Override: c.Override(rule="order_notional", scope="portfolio", value=Decimal(1), minutes=1, reason="r"),
    c.EndOverride: c.EndOverride(rule="order_notional", scope="portfolio"),
    c.BreakGlass: c.BreakGlass(action="halt", reason="fire"),
    c.Review: c.Review(id="G1", note="seen"),
    c.AcknowledgeIncident: c.AcknowledgeIncident(),
    c.RecoverIncident: c.RecoverIncident(),
    c.ChangeSettings: c.ChangeSettings(path="risk.max_exposure", problems=("no",)),
    c.AcknowledgeAlert: c.AcknowledgeAlert(alerts=("A1",), text="A1 Exchange down"),
    c.MuteAlerts: c.MuteAlerts(kind="feed_stale", until_ns=1),
    c.UnmuteAlerts: c.UnmuteAlerts(mute="M1"),
    c.RouteAlerts: c.RouteAlerts(duty="on_call"),
    c.StepUp: c.StepUp(purpose="a token", step=1),
    c.RotateKey: c.RotateKey(key="agent", account=ACCOUNT),
    c.ReloadStrategy: c.ReloadStrategy(strategy="script"),
}
BY_ROLE = {RoleName.VIEWER: "eve", RoleName.TRADER: "dot", RoleName.RISK: "bob", RoleName.ADMIN: "ann"}
TINY_TEAM = (
    Person(id="ann", name="Ann", role=RoleName.ADMIN),
    Person(id="bob", name="Bob", role=RoleName.RISK),
)


def halted(persons: tuple[Person, ...] = WIDE.persons, **approvals: Any) -> Rig:
    """Halted by the trader; two votes resume."""
    rig = Rig(replace(WIDE, approvals=ApprovalSettings(**approvals), persons=persons)).start()
    rig.command(c.Halt(), "dot" if any(p.id == "dot" for p in rig.settings.persons) else "ann")
    return rig


def trading(rig: Rig) -> TradingState:
    return rig.core.state.trading


def test_every_command_has_a_role_and_a_sample_here() -> None:
    assert set(ROLE_NEEDED) == set(get_args(c.Command)) == set(SAMPLES)


@pytest.mark.parametrize(
    ("kind", "role"), list(product(ROLE_NEEDED, RoleName)), ids=lambda x: getattr(x, "__name__", str(x))
)
def test_a_command_is_for_its_role_and_those_above(kind: Any, role: RoleName) -> None:
    done = Rig(WIDE).start().command(SAMPLES[kind], BY_ROLE[role])
    if role >= ROLE_NEEDED[kind]:
        assert done.reason is not Reason.ROLE or kind in {c.Approve, c.Deny}
    else:
        assert done.reason is Reason.ROLE
        assert ROLE_NEEDED[kind].name.lower() in done.text


def test_what_lowers_risk_asks_for_no_more_than_a_trader() -> None:
    lowering: set[Any] = {c.Halt, c.Flatten, c.PauseStrategy, c.CancelOrder, c.SetHold, c.SetCap, c.SetBreaker}
    assert {ROLE_NEEDED[kind] for kind in lowering} == {RoleName.TRADER}


def test_without_the_roles_a_viewer_would_trade(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "authorise", lambda core, event: None)
    rig = Rig(WIDE).start(load=False)
    rig.touch()
    assert rig.command(SAMPLES[c.ManualTarget], "eve").ok


@pytest.mark.parametrize("door", [Door.TELEGRAM, Door.DISCORD, Door.DASHBOARD, Door.TERMINAL])
def test_a_stranger_gets_nothing_at_any_door(door: Door) -> None:
    done = Rig(WIDE).start().command(c.Halt(), "mallory", door)
    assert done.reason is Reason.UNKNOWN_PERSON


def test_a_repeated_request_id_is_carried_out_once() -> None:
    rig = Rig(WIDE).start(load=False)
    rig.touch()
    order = SAMPLES[c.ManualTarget]
    assert rig.command(order, "dot", request_id="tg:1").ok
    again = rig.command(order, "dot", request_id="tg:1")
    assert again.reason is Reason.REPEATED
    assert rig.slot().target == 100


def test_a_repeated_request_id_is_known_after_a_crash() -> None:
    rig = Rig(WIDE).start(load=False)
    rig.touch()
    rig.command(SAMPLES[c.ManualTarget], "dot", request_id="tg:1")
    rig.crash()
    assert rig.command(SAMPLES[c.ManualTarget], "dot", request_id="tg:1").reason is Reason.REPEATED


def test_without_remembering_a_redelivered_update_would_trade_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "REMEMBERED_COMMANDS", 0)
    rig = Rig(WIDE).start(load=False)
    rig.touch()
    for _ in range(2):
        rig.command(SAMPLES[c.ManualTarget], "dot", request_id="tg:1")
    assert rig.slot().target == 200


def test_what_is_remembered_is_bounded() -> None:
    rig = Rig(WIDE).start()
    for n in range(REMEMBERED_COMMANDS + 50):
        rig.core.state.commands_seen[f"old:{n}"] = None
    rig.command(c.Approve(request="R9"), "eve")
    rig.command(c.Approve(request="R9"), "eve")
    assert len(rig.core.state.commands_seen) <= REMEMBERED_COMMANDS + 51


# the quorum


def test_two_others_resume() -> None:
    rig = halted()
    request = rig.command(c.Resume(), "bob").request
    assert "1 more" in rig.command(c.Approve(request=request), "cem").text
    assert trading(rig) is TradingState.HALTED
    assert rig.command(c.Approve(request=request), "ann").ok
    assert trading(rig) is TradingState.ACTIVE


def test_who_asked_does_not_count_in_a_team_of_three() -> None:
    rig = halted()
    request = rig.command(c.Resume(), "bob").request
    assert rig.command(c.Approve(request=request), "bob").reason is Reason.OWN_REQUEST


def test_nobody_votes_twice() -> None:
    rig = halted()
    request = rig.command(c.Resume(), "bob").request
    rig.command(c.Approve(request=request), "cem")
    assert rig.command(c.Approve(request=request), "cem").reason is Reason.ALREADY_VOTED
    assert trading(rig) is TradingState.HALTED


def test_in_a_team_of_two_the_requester_is_one_of_the_two() -> None:
    rig = halted(requester_counts=True, persons=TINY_TEAM)
    request = rig.command(c.Resume(), "bob").request
    assert rig.command(c.Approve(request=request), "bob").reason is Reason.ALREADY_VOTED
    assert trading(rig) is TradingState.HALTED
    assert rig.command(c.Approve(request=request), "ann").ok
    assert trading(rig) is TradingState.ACTIVE


def test_a_trader_may_not_ask_for_what_gives_risk_back() -> None:
    assert halted().command(c.Resume(), "dot").reason is Reason.ROLE


def test_a_quorum_that_cannot_be_reached_is_refused_at_once() -> None:
    rig = halted(persons=TINY_TEAM)
    done = rig.command(c.Resume(), "bob")
    assert done.reason is Reason.QUORUM_UNREACHABLE
    assert rig.core.state.requests == {}


def test_a_request_for_an_override_expires() -> None:
    rig = halted()
    request = rig.command(c.Resume(), "bob").request
    rig.wait(15 * 60 + 1)
    assert rig.told(RequestChanged)[-1].status is RequestStatus.EXPIRED
    assert rig.command(c.Approve(request=request), "cem").reason is Reason.NOT_PENDING


def test_what_became_pointless_while_it_waited_fails_in_words() -> None:
    rig = halted()
    first = rig.command(c.Resume(), "bob").request
    second = rig.command(c.Resume(), "cem").request
    for voter in ("cem", "ann"):
        rig.command(c.Approve(request=first), voter)
    rig.command(c.Approve(request=second), "bob")
    done = rig.command(c.Approve(request=second), "ann")
    assert done.reason is Reason.WRONG_STATE
    assert rig.told(RequestChanged)[-1].status is RequestStatus.FAILED


def test_a_vote_names_exactly_what_is_voted_on() -> None:
    rig = halted()
    rig.command(c.Resume(reason="calm again"), "bob")
    rig.command(c.RaiseEnvelope(strategy="script", notional=Decimal(5)), "bob")
    asked = rig.told(RequestChanged)
    assert len({request.digest for request in asked}) == 2
    assert all(len(request.digest) == 64 for request in asked)


def test_without_the_quorum_rules_one_person_would_be_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("risk.approvals.may_vote", lambda person, **_: None)
    rig = halted(override_votes=1)
    request = rig.command(c.Resume(), "bob").request
    assert rig.command(c.Approve(request=request), "bob").ok


def test_a_person_who_lost_the_role_while_it_waited_does_not_count() -> None:
    rig = halted()
    request = rig.command(c.Resume(), "bob").request
    roles = {"cem": RoleName.VIEWER, "eve": RoleName.RISK}
    demoted = tuple(replace(p, role=roles.get(p.id, p.role)) for p in WIDE.persons)
    settings = replace(rig.settings, persons=demoted)
    rig.command(c.ApplySettings(settings=settings, content_hash="h2"), door=Door.SYSTEM)
    assert rig.command(c.Approve(request=request), "cem").reason is Reason.ROLE


def test_new_settings_need_the_quorum_and_then_count_at_once() -> None:
    rig = Rig(ASKING).start()
    wider = replace(ASKING, approvals=ApprovalSettings(large_fraction=Decimal("0.5")))
    request = rig.command(c.ApplySettings(settings=wider, content_hash="wider"), "ann").request
    assert rig.core.state.settings_hash == "s"
    for voter in ("bob", "cem"):
        rig.command(c.Approve(request=request), voter)
    assert rig.core.state.settings_hash == "wider"
    assert [place.qty for place in places(rig.want(wants(target(1.0))))] == [1_000]


# rule 15


def test_every_reason_has_a_code_and_words() -> None:
    for reason in Reason:
        assert reason.value == reason.name
        assert reason.words[0].islower()
        assert not reason.words.endswith(".")
        assert len(reason.words) > 10


REFUSED = [
    (c.Flatten(scope="XRP-USDC-PERP.PAPER"), "dot"),
    (c.Resume(), "bob"),
    (c.Approve(request="R9"), "bob"),
    (c.Deny(request="R9"), "bob"),
    (c.UnloadStrategy(strategy="nobody"), "dot"),
    (c.StartStrategy(strategy="script"), "dot"),
    (c.ReloadStrategy(strategy="nobody"), "dot"),
    (c.CancelOrder(cid="x"), "dot"),
    (c.SetHold(account="NO:where", instrument=BTC.id), "dot"),
    (c.SetCap(account=ACCOUNT, instrument="XRP-USDC-PERP.PAPER", qty=Decimal(1)), "dot"),
    (c.RaiseEnvelope(strategy="nobody", notional=Decimal(1)), "bob"),
    (c.ManualTarget(account=ACCOUNT, instrument=BTC.id, qty=Decimal("0.00001")), "dot"),
    (c.ManualTarget(account="NO:where", instrument=BTC.id, qty=Decimal(1)), "dot"),
    (c.LoadStrategy(spec=SPEC), "dot"),
    (c.Halt(), "eve"),
    (c.Halt(), "mallory"),
]


@pytest.mark.parametrize(
    ("command", "person"), REFUSED, ids=lambda x: type(x).__name__ if not isinstance(x, str) else x
)
def test_a_refusal_is_told_with_its_code_and_in_words(command: c.Command, person: str) -> None:
    done = Rig(WIDE).start().command(command, person)
    assert not done.ok
    assert done.reason is not None
    assert done.text.startswith(f"Refused, {done.reason.value}: {done.reason.words}")


def test_the_same_refusal_of_a_slot_is_told_once_and_again_after_it_passed() -> None:
    rig = Rig(WIDE).start()
    for bid in (600_000, 600_001, 600_002):
        rig.want(wants(target(float("nan"))), bid=bid)
    assert rig.refusals() == ["BAD_NUMBER"]
    rig.want(wants(target(0.1)))
    rig.want(wants(target(float("nan"))))
    assert rig.refusals() == ["BAD_NUMBER", "BAD_NUMBER"]


@pytest.mark.parametrize(
    "name", ["Request", "request", "manual", "manual:PAPER:main:BTC", "all", "", "a b", "T1", "x" * 41]
)
def test_a_strategy_is_not_called_what_answers_and_orders_call_something_else(name: str) -> None:
    rig = Rig()
    rig.start()
    done = rig.command(c.LoadStrategy(spec=replace(SPEC, id=name)), "dot")
    assert (done.ok, done.reason, done.request) == (False, Reason.BAD_VALUE, "")
    assert (
        "reserved" if name.lower().startswith(("request", "manual", "all")) and name != "Request" else "no name"
    ) in done.text
