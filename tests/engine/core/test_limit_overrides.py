"""A limit is loosened for one scope, up to a size, for some minutes, by two others; then it holds again by itself."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from domain import commands as c
from domain import events as e
from domain.commands import Door
from domain.edits import edits_between
from domain.facts import OverrideChanged, RequestStatus
from domain.settings import ApprovalSettings
from domain.verdict import Reason
from engine.core import limits
from risk.rules import RULES
from tests.engine.core.rig import ASKING, BTC, WIDE, Rig, places, target, wants

MINUTE_S = 60
KEY = "position_notional|portfolio"


def asked(**changed: Any) -> c.Override:
    """An override that can be agreed to, 100,000 being the limit."""
    whole: dict[str, Any] = {
        "rule": "position_notional",
        "scope": "portfolio",
        "value": Decimal(120_000),
        "minutes": 30,
        "reason": "a basis trade",
    }
    return c.Override(**(whole | changed))


def quiet(**approvals: Any) -> Rig:
    return Rig(replace(WIDE, approvals=ApprovalSettings(**approvals))).start()


def in_force(rig: Rig, **changed: Any) -> Rig:
    """Bob asks, Cem and Ann agree."""
    request = rig.command(asked(**changed), "bob").request
    for voter in ("cem", "ann"):
        assert rig.command(c.Approve(request=request), voter).ok
    return rig


def test_two_others_agree_and_it_is_in_force_until_its_time_is_over() -> None:
    rig = in_force(quiet())
    override = rig.core.state.overrides[KEY]
    assert (override.value, override.persons, override.reason) == (
        Decimal(120_000), ("bob", "cem", "ann"), "a basis trade",
    )  # fmt: skip
    rig.wait(30 * MINUTE_S - 1)
    assert KEY in rig.core.state.overrides
    rig.wait(1)
    assert rig.core.state.overrides == {}
    ends = [fact.ended for fact in rig.told(OverrideChanged)]
    assert ends == ["", "its time is over"]
    assert rig.alerts()[-2:] == ["override", "override_ended"]


def test_one_vote_is_not_enough() -> None:
    rig = quiet()
    request = rig.command(asked(), "bob").request
    assert rig.command(c.Approve(request=request), "bob").reason is Reason.OWN_REQUEST
    rig.command(c.Approve(request=request), "cem")
    assert rig.core.state.overrides == {}


@pytest.mark.parametrize("rule", [rule.name for rule in RULES.values() if rule.hard])
def test_a_hard_limit_is_overridden_by_nobody(rule: str) -> None:
    done = quiet().command(asked(rule=rule, value=RULES[rule].most), "bob")
    assert done.reason is Reason.HARD_LIMIT
    assert rule in done.text


@pytest.mark.parametrize(
    ("changed", "reason", "said"),
    [
        ({"value": Decimal(160_000)}, Reason.BAD_VALUE, "approvals.override_most.position_notional"),
        ({"value": Decimal(90_000)}, Reason.BAD_VALUE, "not looser than 100000"),
        ({"value": Decimal("NaN")}, Reason.BAD_VALUE, "impossible"),
        ({"minutes": 241}, Reason.BAD_VALUE, "from 1 to 240"),
        ({"minutes": 0}, Reason.BAD_VALUE, "from 1 to 240"),
        ({"reason": "  "}, Reason.REASON_MISSING, "reason"),
        ({"rule": "luck"}, Reason.BAD_VALUE, "is no rule"),
        ({"scope": "moon"}, Reason.BAD_VALUE, "is no scope"),
        ({"scope": "instrument:XRP"}, Reason.NO_SUCH, "BTC-USDC-PERP.PAPER"),
        ({"scope": "strategy:nobody"}, Reason.NO_SUCH, "script"),
    ],
)
def test_what_cannot_be_overridden_so_is_refused_in_words(changed: dict[str, Any], reason: Reason, said: str) -> None:
    rig = quiet()
    done = rig.command(asked(**changed), "bob")
    assert done.reason is reason
    assert said in done.text
    assert rig.core.state.requests == {}


def test_the_settings_say_how_wide_an_override_may_be() -> None:
    rig = in_force(quiet(override_most={"position_notional": Decimal(500_000)}), value=Decimal(500_000))
    assert rig.core.state.overrides[KEY].value == 500_000


def test_where_smaller_is_riskier_an_override_goes_down_and_no_further_than_the_factor() -> None:
    rig = quiet()
    assert rig.command(asked(rule="min_liquidity_usd", value=Decimal(20_000)), "bob").reason is Reason.BAD_VALUE
    assert rig.command(asked(rule="min_liquidity_usd", value=Decimal(5_000)), "bob").reason is Reason.BAD_VALUE
    assert rig.command(asked(rule="min_liquidity_usd", value=Decimal(8_000)), "bob").ok


def test_a_trader_ends_it_early_and_alone() -> None:
    rig = in_force(quiet())
    assert rig.command(c.EndOverride(rule="position_notional", scope="portfolio"), "dot").ok
    assert rig.core.state.overrides == {}
    assert rig.told(OverrideChanged)[-1].ended == "ended by dot"
    done = rig.command(c.EndOverride(rule="position_notional", scope="portfolio"), "dot")
    assert done.reason is Reason.NO_SUCH


def test_it_ends_in_time_though_the_engine_was_down_then() -> None:
    rig = in_force(quiet())
    rig.now_ns += 31 * MINUTE_S * 1_000_000_000
    rig.crash()
    assert rig.core.state.overrides == {}
    assert "while the engine was down" in rig.told(OverrideChanged)[-1].ended


def test_one_that_ended_while_the_engine_was_down_sends_nothing_before_the_venue_was_compared() -> None:
    rig = in_force(quiet(enabled=False), minutes=1)
    rig.wait(5)
    (place,) = places(rig.want(wants(target(0.5, "start"))))
    rig.ingest(e.Rejected(cid=place.cid, text="busy", venue_ts_ns=rig.now_ns))
    rig.now_ns += 56 * 1_000_000_000  # the price is still young enough to trade on
    rig.crash()
    assert rig.core.state.overrides == {}
    assert rig.slot().orders == {}


def test_a_restart_does_not_prolong_it() -> None:
    rig = in_force(quiet())
    rig.wait(10 * MINUTE_S)
    rig.crash()
    assert KEY in rig.core.state.overrides
    rig.wait(20 * MINUTE_S)
    assert rig.core.state.overrides == {}


def test_it_is_looked_at_again_at_the_last_vote() -> None:
    rig = quiet()
    request = rig.command(asked(scope="strategy:script"), "bob").request
    rig.command(c.Approve(request=request), "cem")
    rig.command(c.UnloadStrategy(strategy="script"), "dot")
    assert rig.command(c.Approve(request=request), "ann").reason is Reason.NO_SUCH
    assert rig.core.state.requests[request].status is RequestStatus.FAILED
    assert rig.core.state.overrides == {}


def test_another_value_for_the_same_is_another_request_and_voids_the_votes() -> None:
    rig = quiet()
    first = rig.command(asked(), "bob").request
    rig.command(c.Approve(request=first), "cem")
    second = rig.command(asked(value=Decimal(130_000)), "bob").request
    assert rig.core.state.requests[first].status is RequestStatus.EXPIRED
    assert rig.command(c.Approve(request=second), "ann").ok
    assert rig.core.state.overrides == {}
    assert "its votes are void" in rig.core.state.requests[first].text


def test_the_configuration_itself_cannot_override() -> None:
    rig = quiet()
    rig.command(asked(), door=Door.SYSTEM)
    assert rig.core.state.overrides == {}


def test_an_override_is_no_wider_than_the_venues_limit_lets_it_be() -> None:
    venue = {"PAPER": {"position_notional": Decimal(10_000)}}
    rig = Rig(replace(ASKING, risk=replace(ASKING.risk, venue=venue))).start()
    for scope in ("strategy:script", f"instrument:{BTC.id}"):
        wide = c.Override(rule="position_notional", scope=scope, value=Decimal(150_000), minutes=10, reason="x")
        assert "is further from 10000 than 15000" in rig.command(wide, "bob").text


def test_a_limit_that_is_tightened_ends_an_override_of_it_that_would_be_too_wide() -> None:
    rig = in_force(quiet())
    now = rig.core.state.settings
    lower = replace(now.risk, portfolio={**now.risk.portfolio, "position_notional": Decimal(1_000)})
    edits = edits_between(now, replace(now, risk=lower))
    assert rig.command(c.ChangeSettings(path="x", value="y", edits=edits), "bob").ok
    assert rig.core.state.overrides == {}
    assert "the limit has been changed" in rig.told_alert("override_ended")
    assert limits.effective(rig.core, "position_notional", instrument=BTC.id) == 1_000
