"""Settings that change while the engine runs: who may, what is told, versions, and the way back."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from domain import commands as c
from domain.edits import Edit, edits_between, tree_of, with_edits
from domain.facts import Alerted, CommandDone, RequestStatus
from domain.files import SettingsFileRead
from domain.settings import Limits, Person, RoleName, Settings
from domain.verdict import Reason
from engine.core import config, limits
from engine.core.recovery import replay, state_hash
from engine.core.state import State
from risk.direction import adds_risk
from risk.rules import RULES
from tests.engine.core.rig import ASKING, BTC, SPEC, Rig, places, target, wants


@dataclass
class Change:
    """A change of settings as the desk would send it."""

    before: Settings
    after: Settings

    def command(self, reason: str = "", **more: Any) -> c.ChangeSettings:
        return c.ChangeSettings(
            path="x", value="y", reason=reason, edits=edits_between(self.before, self.after), **more
        )


def exposure(rig: Rig, value: int, reason: str = "") -> c.ChangeSettings:
    now = rig.core.state.settings
    return Change(now, replace(now, risk=replace(now.risk, max_exposure=Decimal(value)))).command(reason)


def people(rig: Rig, *persons: Person) -> c.ChangeSettings:
    now = rig.core.state.settings
    return Change(now, replace(now, persons=persons)).command()


def agree(rig: Rig, command: c.Command) -> CommandDone:
    asked = rig.command(command, "bob")
    assert asked.request, asked.text
    rig.command(c.Approve(request=asked.request), "cem")
    return rig.command(c.Approve(request=asked.request), "ann")


def in_force(rig: Rig) -> Decimal:
    return rig.core.state.settings.risk.max_exposure


def test_what_lowers_risk_is_in_force_at_once_for_role_risk() -> None:
    rig = Rig(ASKING).start()
    assert rig.command(exposure(rig, 10), "dot").reason is Reason.ROLE
    done = rig.command(exposure(rig, 10, "storm"), "bob")
    assert done.ok
    assert "version 1: risk.max_exposure: 1000000 -> 10" in done.text
    assert in_force(rig) == 10
    assert places(rig.want(wants(target(0.5)))) == [], "the gate knows it"


def test_what_adds_risk_waits_for_the_quorum_which_reads_old_and_new() -> None:
    rig = Rig(ASKING).start()
    asked = rig.command(exposure(rig, 2_000_000, "more"), "bob")
    assert "risk.max_exposure: 1000000 -> 2000000 (more)" in asked.text
    assert in_force(rig) == 1_000_000
    assert agree(rig, exposure(rig, 3_000_000)).ok
    assert in_force(rig) == 3_000_000


def test_what_was_voted_on_is_what_happens_or_nothing() -> None:
    rig = Rig(ASKING).start()
    asked = rig.command(exposure(rig, 2_000_000), "bob")
    rig.command(c.Approve(request=asked.request), "cem")
    rig.command(exposure(rig, 500), "bob")
    late = rig.command(c.Approve(request=asked.request), "ann")
    assert late.reason is Reason.MOVED
    assert in_force(rig) == 500


def test_who_when_why_and_what_is_kept_and_told() -> None:
    rig = Rig(ASKING).start()
    agree(rig, exposure(rig, 2_000_000, "a good week"))
    (version,) = rig.core.state.config_versions
    assert (version.number, version.why) == (1, "a good week")
    assert "bob" in version.by or "cem" in version.by
    assert version.changes == ("risk.max_exposure: 1000000 -> 2000000",)
    told = rig.told_alert("settings")
    assert "a good week" in told
    assert "/config rollback 0" in told


def test_a_rollback_is_judged_by_the_same_rule() -> None:
    rig = Rig(ASKING).start()
    rig.command(exposure(rig, 500_000), "bob")
    rig.command(exposure(rig, 100_000), "bob")
    asked = rig.command(c.ChangeSettings(rollback=0), "bob")
    assert "risk.max_exposure: 100000 -> 1000000" in asked.text
    assert in_force(rig) == 100_000, "it adds risk"
    assert agree(rig, c.ChangeSettings(rollback=1)).ok
    assert in_force(rig) == 500_000
    agree(rig, exposure(rig, 900_000))
    assert rig.command(c.ChangeSettings(rollback=2), "bob").ok, "it lowers risk: at once"
    assert in_force(rig) == 100_000
    assert [v.number for v in rig.core.state.config_versions] == [1, 2, 3, 4, 5]


def test_a_rollback_to_what_is_not_remembered_is_refused_with_what_is() -> None:
    rig = Rig(ASKING).start()
    assert rig.command(c.ChangeSettings(rollback=0), "bob").reason is Reason.NO_SUCH
    rig.command(exposure(rig, 500), "bob")
    refused = rig.command(c.ChangeSettings(rollback=7), "bob")
    assert refused.reason is Reason.NO_SUCH
    assert "0 to 0" in refused.text


def test_people_change_while_running_and_a_quorum_that_could_never_be_reached_is_refused() -> None:
    rig = Rig(ASKING).start()
    ann, bob, cem, dot, eve = ASKING.persons
    assert agree(rig, people(rig, ann, bob, cem, replace(dot, role=RoleName.RISK), eve)).ok
    assert rig.core.persons["dot"].role is RoleName.RISK
    refused = rig.command(people(rig, ann, dot, eve), "bob")
    assert refused.reason is Reason.BAD_VALUE
    assert "can never be reached" in refused.text


def test_two_changes_that_are_fine_alone_and_impossible_together_are_refused_in_the_end() -> None:
    fay = Person(id="fay", name="Fay", role=RoleName.RISK)
    rig = Rig(replace(ASKING, persons=(*ASKING.persons, fay))).start()
    ann, bob, cem, dot, eve = ASKING.persons
    without_cem, without_fay = people(rig, ann, bob, dot, eve, fay), people(rig, ann, bob, cem, dot, eve)
    assert isinstance(config.settings_after(rig.core, without_fay), Settings)
    assert agree(rig, without_cem).ok
    refused = rig.command(without_fay, "bob")
    assert refused.reason is Reason.BAD_VALUE
    assert "can never be reached" in refused.text


def test_every_mistake_that_the_desk_found_is_told_and_recorded() -> None:
    rig = Rig(ASKING).start()
    done = rig.command(c.ChangeSettings(path="a.b", value="c", problems=("one wrong", "two wrong")), "bob")
    assert done.reason is Reason.BAD_VALUE
    assert "one wrong; two wrong" in done.text


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (Edit(path=("risk", "max_exposure"), before="1000000", after="0"), Reason.BAD_VALUE),
        (Edit(path=("risk", "max_exposure"), before="1000000", after="lots"), Reason.BAD_VALUE),
        (
            Edit(path=("risk", "default_limits", "max_order_notional"), before="100000", after="900000"),
            Reason.BAD_VALUE,
        ),
        (Edit(path=("environment",), before="paper", after="live"), Reason.WRONG_STATE),
        (Edit(path=("instruments", f"[{BTC.id}]", "lot"), before=1, after=7), Reason.WRONG_STATE),
        (Edit(path=("risk", "nothing", "such"), after="1", is_new=True), Reason.MOVED),
    ],
)
def test_what_cannot_be_is_refused_whatever_door_it_came_through(edit: Edit, reason: Reason) -> None:
    rig = Rig(ASKING).start()
    done = rig.command(c.ChangeSettings(path="forged", edits=(edit,)), "bob")
    assert done.reason is reason
    assert not rig.core.state.config_versions


def test_a_replay_comes_to_the_same_settings_and_versions() -> None:
    rig = Rig(ASKING).start()
    rig.command(exposure(rig, 500), "bob")
    agree(rig, exposure(rig, 900_000))
    agree(rig, people(rig, *ASKING.persons, Person(id="fay", name="Fay", role=RoleName.RISK)))
    again = rig.make_core(State())
    replay(rig.journal.records(), again)
    assert state_hash(again.state) == state_hash(rig.core.state)
    assert again.state.config_version == 3
    rig.crash()
    assert rig.core.state.config_version == 3
    assert "fay" in rig.core.persons


def test_after_a_change_of_build_nothing_comes_back_looser() -> None:
    rig = Rig(ASKING).start()
    rig.kernel.snapshot()
    rig.command(exposure(rig, 500), "bob")
    rig.crash("another build")
    assert in_force(rig) == 500


def test_only_the_newest_versions_are_remembered() -> None:
    rig = Rig(ASKING).start()
    for value in range(config.REMEMBERED + 5, 0, -1):
        rig.command(exposure(rig, value), "bob")
    assert len(rig.core.state.config_versions) == config.REMEMBERED
    assert rig.core.state.config_version == config.REMEMBERED + 5
    assert f"5 to {config.REMEMBERED + 4}" in rig.command(c.ChangeSettings(rollback=1), "bob").text


def test_parameters_set_by_the_strategys_own_verb_are_a_version_too() -> None:
    rig = Rig(replace(ASKING, strategies=(SPEC,))).start()
    assert agree(rig, c.SetParams(strategy="script", params={"qty": 2})).ok
    assert rig.core.state.settings.strategies[0].params == {"qty": 2}
    assert rig.core.state.config_versions[-1].changes == ("strategies[script].params.qty: added 2",)


def test_the_files_difference_is_told_and_applied_to_nothing() -> None:
    rig = Rig(ASKING).start()
    before = rig.core.state.settings
    rig.ingest(SettingsFileRead(file="my.yaml", changes=("risk.max_exposure: 1 -> 2",)))
    assert "my.yaml differs" in rig.told_alert("settings")
    assert rig.core.state.file_differs == ("risk.max_exposure: 1 -> 2",)
    assert rig.core.state.settings == before
    told = len(rig.told(Alerted))
    rig.ingest(SettingsFileRead(file="my.yaml", changes=(), is_news=False))
    assert not rig.core.state.file_differs
    assert len(rig.told(Alerted)) == told
    rig.ingest(SettingsFileRead(file="my.yaml", problem="line 3 is wrong"))
    assert "line 3 is wrong" in rig.told_alert("settings")


@pytest.mark.parametrize(
    ("path", "before", "after", "adds"),
    [
        (("risk", "max_exposure"), "10", "9", False),
        (("risk", "max_exposure"), "10", "11", True),
        (("risk", "message_window_ns"), 10, 11, True),
        (("risk", "message_window_ns"), 10, 9, True),
        (("risk", "reserve_messages"), 10, 9, True),
        (("execution", "slippage"), "0.1", "0.01", True),
        (("execution", "validity_ns"), 10, 9, True),
        (("approvals", "override_votes"), 2, 3, True),
        (("persons", "[ann]", "role"), 4, 1, True),
        (("breakers", "exchange_failure", "threshold"), 5, 1, True),
        (("strategies", "[x]", "params", "qty"), 5, 1, True),
        (("risk", "portfolio", "daily_loss"), "0.05", "0.04", False),
        (("risk", "portfolio", "daily_loss"), "0.05", "0.06", True),
        (("risk", "portfolio", "liquidation_distance"), "0.1", "0.2", False),
        (("risk", "instrument", BTC.id, "min_liquidity_usd"), "10", "20", False),
        (("risk", "instrument", BTC.id, "min_liquidity_usd"), "10", None, True),
        (("risk", "instrument", BTC.id, "order_notional"), None, "1000", False),
        (("risk", "instrument", BTC.id), None, {"order_notional": "1000", "price_collar": "0.01"}, False),
        (("risk", "instrument", BTC.id), {"order_notional": "1000"}, None, True),
        (("risk", "strategy"), None, {"maker": {"strategy_drawdown": "0.1"}}, False),
        (("risk", "portfolio", "daily_loss"), None, "0.04", False),
        (("risk", "portfolio", "daily_loss"), None, "0.09", True),
        (("risk", "portfolio", "daily_loss"), "0.01", None, True),
        (("risk", "portfolio", "order_notional"), None, "1000", False),
        (("risk", "portfolio", "order_notional"), None, "1000000", True),
        (("risk", "limits", BTC.id), None, {"max_order_notional": "1"}, True),
        (("risk", "max_exposure"), "10", "NaN", True),
    ],
)
def test_the_direction_of_a_change_is_known_or_it_adds_risk(path: Any, before: Any, after: Any, adds: bool) -> None:
    edit = Edit(path=path, before=before, after=after, is_new=before is None, is_removed=after is None)
    assert adds_risk(edit, partial(limits.configured, Rig(ASKING).begin().core)) is adds


def test_edits_lead_there_and_back() -> None:
    one = ASKING
    two = replace(one, persons=(*one.persons[1:], Person(id="fay", name="Fay", role=RoleName.ADMIN)))
    there = edits_between(one, two)
    assert tree_of(with_edits(one, there)) == tree_of(two)
    back = [edit.undone() for edit in reversed(there)]
    assert tree_of(with_edits(two, back)) == tree_of(one)
    assert edits_between(one, one) == ()


def test_a_value_for_the_portfolio_loosens_no_limit_that_an_instrument_has_of_its_own() -> None:
    own = Limits(max_position_notional=Decimal(1_000), max_order_notional=Decimal(1_000), price_collar=Decimal("0.1"))
    rig = Rig(replace(ASKING, risk=replace(ASKING.risk, limits={BTC.id: own}))).start()
    assert limits.effective(rig.core, "price_collar", instrument=BTC.id) == Decimal("0.1"), "no default tightens it"
    now = rig.core.state.settings
    lower = {**now.risk.portfolio, "position_notional": Decimal(99_999), "order_notional": Decimal(99_999)}
    assert rig.command(Change(now, replace(now, risk=replace(now.risk, portfolio=lower))).command(), "bob").ok, (
        "below the 100,000 of all the others"
    )
    assert limits.effective(rig.core, "position_notional", instrument=BTC.id) == 1_000
    assert limits.effective(rig.core, "position_notional") == 99_999


@pytest.mark.parametrize("section", ["portfolio", "instrument"])
def test_nobody_can_tighten_the_collar_until_nothing_can_be_closed(section: str) -> None:
    rig = Rig(ASKING).start()
    now = rig.core.state.settings
    tight = {**now.risk.portfolio, "price_collar": Decimal("0.0001")}
    values = {section: tight if section == "portfolio" else {BTC.id: {"price_collar": Decimal("0.0001")}}}
    done = rig.command(Change(now, replace(now, risk=replace(now.risk, **values))).command(), "bob")
    assert done.reason is Reason.BAD_VALUE
    assert "nothing could be closed" in done.text


@pytest.mark.parametrize(
    ("section", "changes"),
    [("execution", {"retry_ns": 10**15}), ("execution", {"slippage": 0}), ("risk", {"message_window_ns": 10**15})],
)
def test_what_would_also_hold_back_a_reduction_is_nobodys_alone(section: str, changes: dict[str, Any]) -> None:
    rig = Rig(ASKING).start()
    now = rig.core.state.settings
    after = replace(now, **{section: replace(getattr(now, section), **changes)})
    assert rig.command(Change(now, after).command(), "bob").request


ALONE = st.sampled_from(
    [
        ("risk", "max_exposure"),
        ("risk", "base_position_fraction"),
        ("risk", "default_limits", "max_order_notional"),
        ("risk", "default_limits", "price_collar"),
        ("risk", "portfolio", "daily_loss"),
        ("risk", "portfolio", "leverage"),
        ("risk", "portfolio", "liquidation_distance"),
        ("risk", "portfolio", "order_notional"),
        ("risk", "instrument", BTC.id),
    ]
)


def looseness(rig: Rig) -> list[Decimal]:
    """What may be done now, by each rule and the older limits; more is looser."""
    found = []
    for name, rule in RULES.items():
        value = limits.effective(rig.core, name, instrument=BTC.id) or Decimal(0)
        found.append(value if rule.raising_adds_risk else -value)
    return [*found, rig.core.state.settings.risk.max_exposure]


@given(st.lists(st.tuples(ALONE, st.decimals("0.001", "2000000", places=3)), max_size=6))
def test_nobody_alone_loosens_anything_by_whatever_changes_in_whatever_order(changes: Any) -> None:
    rig = Rig(replace(ASKING, approvals=replace(ASKING.approvals, requester_counts=True))).begin()
    for path, value in changes:
        before, node = looseness(rig), tree_of(rig.core.state.settings)
        for part in path[:-1]:
            node = node[part]
        new = {"order_notional": str(value)} if path[-1] == BTC.id else str(value)
        edit = Edit(path=path, before=node.get(path[-1]), after=new, is_new=path[-1] not in node)
        rig.command(c.ChangeSettings(edits=(edit,)), "bob")
        assert all(now <= then for now, then in zip(looseness(rig), before, strict=True))


def test_asking_for_another_setting_leaves_the_first_question_open() -> None:
    rig = Rig(ASKING).start()
    first = rig.command(exposure(rig, 2_000_000), "bob").request
    new = Person(id="new", name="New", role=RoleName.VIEWER)
    second = rig.command(people(rig, *ASKING.persons, new), "bob").request
    third = rig.command(exposure(rig, 3_000_000), "bob").request
    waiting = [r.id for r in rig.core.state.requests.values() if r.status is RequestStatus.PENDING]
    assert waiting == [second, third], "the newer wish for the same setting takes the place of the older"
    assert first not in waiting


def test_what_somebody_asked_for_who_may_not_any_more_is_not_carried_out() -> None:
    fay = Person(id="fay", name="Fay", role=RoleName.RISK)
    rig = Rig(replace(ASKING, persons=(*ASKING.persons, fay))).start()
    asked = rig.command(exposure(rig, 2_000_000), "fay").request
    assert agree(rig, people(rig, *ASKING.persons)).ok, "her account was stolen, and is out"
    rig.command(c.Approve(request=asked), "cem")
    done = rig.command(c.Approve(request=asked), "ann")
    assert done.reason is Reason.ROLE
    assert "fay, who asked for it" in done.text
    assert in_force(rig) == 1_000_000
