"""The table of rules: defaults of the mission, scopes, and what a change of a value means."""

from decimal import Decimal

import pytest

from domain.settings import Environment
from risk.rules import RULES, ScopeKind, parse_scope, rule_problem, strictest


def test_leverage_is_three_times_where_no_money_is_and_five_elsewhere() -> None:
    rule = RULES["leverage"]
    assert [rule.default_in(env) for env in Environment] == [3, 5, 5]


def test_the_strictest_liquidity_is_the_largest_and_the_strictest_leverage_the_smallest() -> None:
    values = [Decimal(3), Decimal(5)]
    assert strictest(RULES["min_liquidity_usd"], values) == 5
    assert strictest(RULES["leverage"], values) == 3
    assert strictest(RULES["leverage"], []) is None


def test_raising_a_limit_adds_risk_and_asking_for_a_deeper_book_does_not() -> None:
    assert RULES["leverage"].adds_risk(Decimal(3), Decimal(4))
    assert not RULES["leverage"].adds_risk(Decimal(3), Decimal(2))
    assert not RULES["min_liquidity_usd"].adds_risk(Decimal(3), Decimal(4))
    assert RULES["min_liquidity_usd"].adds_risk(Decimal(3), None)
    assert RULES["order_notional"].adds_risk(None, Decimal(4)), "where a missing limit refuses, a value gives room"
    assert RULES["position_age_s"].adds_risk(Decimal(60), None)
    assert not RULES["position_age_s"].adds_risk(None, Decimal(60))
    assert not RULES["leverage"].adds_risk(None, None)


@pytest.mark.parametrize("text", ["portfolio", "venue:PAPER", "strategy:turtle", "instrument:BTC-USDC-PERP.PAPER"])
def test_a_scope_reads_as_it_is_written(text: str) -> None:
    found = parse_scope(text)
    assert found is not None
    assert ":".join(filter(None, found)) == text


@pytest.mark.parametrize("text", ["", "all", "venue", "venue:", "portfolio:x", "desk:1"])
def test_what_is_no_scope_is_told(text: str) -> None:
    assert parse_scope(text) is None
    assert "is no scope" in rule_problem("leverage", text, Decimal(1))


@pytest.mark.parametrize(
    ("name", "scope", "value", "said"),
    [
        ("leverage", "portfolio", "-1", "from 0 to 200"),
        ("leverage", "strategy:x", "1", "cannot be set for one strategy"),
        ("open_positions", "portfolio", "2.5", "no whole number"),
        ("daily_loss", "portfolio", "NaN", "impossible"),
        ("levrage", "portfolio", "1", "is no rule"),
    ],
)
def test_an_impossible_value_is_refused_with_the_reason(name: str, scope: str, value: str, said: str) -> None:
    assert said in rule_problem(name, scope, Decimal(value))


def test_every_rule_has_a_default_or_refuses_and_the_default_is_possible() -> None:
    for name, rule in RULES.items():
        default = rule.default_in(Environment.LIVE)
        assert name == rule.name
        assert default is None or not rule.problem(default)
        assert rule.scopes[0] is ScopeKind.PORTFOLIO or rule.optional
