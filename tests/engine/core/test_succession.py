"""Unloading and loading, or another id, is no way round what was measured of a strategy on that day."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from domain import commands as c
from domain.events import History
from domain.settings import ApprovalSettings
from engine.core import samples
from tests.engine.core.rig import ASKING, SPEC, Rig, places, target, wants
from tests.engine.core.test_approval_rules import ballot
from tests.engine.core.test_limits import ruled, trade

OTHER = replace(SPEC, id="other")


def asking(load_votes: int = 0) -> Rig:
    settings = replace(ASKING, approvals=ApprovalSettings(load_votes=load_votes))
    return ruled(settings, portfolio={**ASKING.risk.portfolio, "consecutive_losses": Decimal(2)})


def next_one(rig: Rig, name: str = "other") -> None:
    """A trader alone unloads what is there and loads the same code again, under an id."""
    loaded = next(iter(rig.core.state.strategies))
    assert rig.command(c.UnloadStrategy(strategy=loaded), "dot").ok
    rig.scripts[name] = rig.script
    spec = replace(SPEC, id=name)
    done = rig.command(c.LoadStrategy(spec=spec), "dot")
    if done.request:
        assert rig.command(ballot(done.request), "bob").ok
    rig.ingest(History(strategy=name, complete=True))


@pytest.mark.parametrize("name", ["script", "other"])
def test_a_losing_streak_goes_on_with_the_next_strategy_of_the_slot_until_the_next_day(name: str) -> None:
    rig = asking()
    trade(rig, "a", 590_000)
    trade(rig, "b", 590_000)
    next_one(rig, name)
    assert places(rig.want(wants(target(0.05, "c")))) == []
    assert rig.refusals()[-1] == "LOSING_STREAK"
    assert len(rig.core.state.strategies[name].trades) == 2
    rig.wait(86_400)
    assert len(places(rig.want(wants(target(0.05, "d"))))) == 1


def test_an_unloading_of_yesterday_leaves_nothing() -> None:
    rig = asking()
    trade(rig, "a", 590_000)
    rig.command(c.UnloadStrategy(strategy="script"), "dot")
    rig.wait(86_400)
    rig.load(SPEC)
    assert rig.core.state.strategies["script"].trades == []


def test_what_a_quorum_loads_begins_anew() -> None:
    rig = asking(load_votes=1)
    trade(rig, "a", 590_000)
    trade(rig, "b", 590_000)
    next_one(rig)
    assert rig.core.state.strategies["other"].losses_in_a_row == 0
    assert len(places(rig.want(wants(target(0.05, "c"))))) == 1


def test_what_was_given_back_is_given_back_still() -> None:
    rig = asking()
    trade(rig, "a", 660_000)
    rig.wait(61)
    trade(rig, "b", 540_000)
    rig.wait(61)
    lost = samples.strategy_drawdown(rig.core, "script")
    assert lost > 0
    next_one(rig)
    assert samples.strategy_drawdown(rig.core, "other") == lost


def test_an_envelope_that_was_lowered_stays_and_one_that_was_raised_does_not() -> None:
    rig = asking()
    rig.core.state.strategies["script"].envelope = Decimal(1_000)
    next_one(rig)
    assert rig.core.state.strategies["other"].envelope == 1_000
    rig.core.state.strategies["other"].envelope = Decimal(90_000)
    next_one(rig, "script")
    assert rig.core.state.strategies["script"].envelope is None


def test_a_breaker_that_was_forced_over_a_strategy_stands_over_the_next_one_there_until_people_release_it() -> None:
    rig = asking()
    assert rig.command(c.SetBreaker(name="position-timeout:script", open=True), "bob").ok
    next_one(rig)
    assert places(rig.want(wants(target(0.05, "a")))) == []
    asked = rig.command(c.SetBreaker(name="position-timeout:other", open=False), "bob").request
    rig.command(ballot(asked), "cem")
    assert rig.command(ballot(asked), "ann").ok
    assert [order.qty for order in rig.slot().orders.values()] == [12], "a quarter, as after every release"


def test_a_crash_keeps_what_was_left() -> None:
    rig = asking()
    trade(rig, "a", 590_000)
    rig.command(c.UnloadStrategy(strategy="script"), "dot")
    rig.crash()
    rig.load(OTHER)
    assert rig.core.state.strategies["other"].losses_in_a_row == 1


def test_a_record_that_earned_is_not_another_strategys() -> None:
    rig = asking()
    trade(rig, "a", 610_000)
    rig.command(c.UnloadStrategy(strategy="script"), "dot")
    rig.load(replace(OTHER, params={"qty": 2}))
    assert rig.core.state.strategies["other"].trades == []
