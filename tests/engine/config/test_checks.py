"""What sections must agree on, said in words."""

from decimal import Decimal

import pytest

from domain.breakers import BreakerAction
from engine.config import Problems, load_config
from risk.matrix import DEFAULTS

MAKER = "{id: a, kind: market_maker, account: 'PAPER:main', instruments: [BTC-USDC-PERP.PAPER]}"
PERSONS = "persons: [{id: a, role: trader}, {id: b, role: risk}, {id: c, role: risk}]\n"

TWO_OF_ONE_NAME = """instruments:
  - {id: A-USDC-PERP.PAPER, tick_size: 1, lot_size: 1, aliases: [x]}
  - {id: B-USDC-PERP.PAPER, tick_size: 1, lot_size: 1, aliases: [X]}
"""


@pytest.fixture
def said(tmp_path):
    """The sentence of a wrong text, "" for a right one."""

    def said(text: str) -> str:
        file = tmp_path / "s.yaml"
        file.write_text(text)
        try:
            load_config(file)
        except Problems as error:
            return str(error)
        return ""

    return said


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            f"strategies: [{MAKER}, {MAKER.replace('id: a', 'id: b')}]",
            "a already owns BTC-USDC-PERP.PAPER on PAPER:main",
        ),
        (f"strategies: [{MAKER}, {MAKER}]", "the id 'a' stands twice"),
        (
            f"strategies: [{MAKER.replace('BTC', 'BTX')}]",
            "there is no instrument 'BTX-USDC-PERP.PAPER'; did you mean BTC",
        ),
        (f"strategies: [{MAKER.replace('[BTC-USDC-PERP.PAPER]', '[]')}]", "expected at least 1 item"),
        (f"strategies: [{MAKER.replace('[BTC', '[BTC-USDC-PERP.PAPER, BTC')}]", "is listed twice"),
        ("breakers: {latency: {actions: [pray]}}", "'pray' is none"),
        ("breakers: {spread: {actions: [pause, lock_down]}}", "lock_down cannot be done by this breaker; it has"),
        ("breakers: {weather: {off: true}}", "weather"),
        ("breakers: {drawdown: {threshold: 0%}}", "expected a number above 0, or a percentage"),
        ("breakers: {exchange_failure: {threshold: 2.5}}", "failures are counted: expected a whole number"),
        ("breakers: {exchange_failure: {off: true}}", "connections are always watched"),
        ("breakers: {security: {recovers: true}}", "only two persons release this breaker"),
        ("breakers: {drawdown: {recovers: true}}", "only two persons release this breaker"),
        ("breakers: {latency: {window: 6h}}", "samples are kept for 5 h at most"),
        ("breakers: {security: {thresholds: {smell: 1}}}", "'smell' is no source of a breach; there are login"),
        ("accounts: [{id: main, deposit: 5}]", "expected VENUE:label such as PAPER:main"),
        ("accounts: [{id: 'BINANCE:main', deposit: 5}]", "trades on PAPER accounts only"),
        ("accounts: [{id: 'PAPER:main'}]", "a paper account needs a deposit above 0"),
        ("accounts: [{id: 'PAPER:main', deposit: 1}, {id: 'PAPER:main', deposit: 1}]", "stands twice"),
        ("risk: {limits: {BTC: {max_position_notional: 1, max_order_notional: 1}}}", "there is no instrument 'BTC'"),
        ("data_feed: {symbols: {XRP: XRP}}", "there is no instrument 'XRP'"),
        ("risk: {default_limits: }", "BTC-USDC-PERP.PAPER has no limits, so every order would be refused"),
        ("persons: [{id: a, role: risk}, {id: a, role: risk}]", "the id 'a' stands twice"),
        (
            "persons: [{id: a, role: risk, telegram_user_id: 7}, {id: b, role: risk, telegram_user_id: 7}]",
            "7 already speaks for a",
        ),
        ("persons: []", "at least one person is needed"),
        ("data_feed: {source: tape}", "expected one of 'hyperliquid' or 'synthetic', found 'tape'"),
        (
            "strategies: [{id: manual-1, kind: turtle, account: 'PAPER:main', instruments: [BTC-USDC-PERP.PAPER]}]",
            "is reserved",
        ),
        ('persons: [{id: tina, name: "Ti\\e[2Jna", role: trader}]', "text without control characters"),
        ('persons: [{id: tina, name: "Ti\\u202ena", role: trader}]', "invisible marks"),
        ("gateway: {host: 0.0.0.0}", "would offer trading to the network without TLS"),
        ("gateway: {host: example.com}", "reach it from elsewhere through an SSH tunnel"),
        ("storage: {url: 'mysql://h/d'}", "expected sqlite:///file or postgresql"),
        ("storage: {url: 'postgresql://u:hunter22@h/d'}", "put it into the secrets file"),
    ],
)
def test_a_contradiction_is_said_in_words(said, text, sentence):
    assert sentence in said(text)
    assert "hunter22" not in said(text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("instruments: [{id: BTC-USD-PERP.PAPER, tick_size: 1, lot_size: 1}]", "inverse"),
        ("instruments: [{id: BTC-USDC.PAPER, tick_size: 1, lot_size: 1}]", "expected BASE-QUOTE-PERP.VENUE"),
        ("instruments: [{id: BTC-USDC-PERP.BYBIT, tick_size: 1, lot_size: 1}]", "trades .PAPER instruments"),
        (
            "instruments: [{id: A-USDC-PERP.PAPER, tick_size: 0.01, price_decimals: 1, lot_size: 1}]",
            "more than 1 decimals",
        ),
        (
            "instruments: [{id: A-USDC-PERP.PAPER, tick_size: 1, lot_size: 0.1, min_qty: 0.05}]",
            "min_qty 0.05 needs more",
        ),
        (
            "instruments: [{id: A-USDC-PERP.PAPER, tick_size: 1, lot_size: 1, initial_margin: 1%}]",
            "must not be more than initial_margin",
        ),
        (
            TWO_OF_ONE_NAME,
            "the name 'X' is taken by A-USDC-PERP.PAPER",
        ),
    ],
)
def test_an_impossible_contract_is_said_in_words(said, text, sentence):
    assert sentence in said(text + "\nstrategies: []\n")


@pytest.mark.parametrize(
    ("approvals", "reachable"),
    [
        ("{requester_counts: true}", True),
        ("{requester_counts: false}", False),  # only the two of role risk or higher may resume, and who asks is one
        ("{requester_counts: false, override_votes: 1}", True),
        ("{requester_counts: true, override_votes: 3}", False),
        ("{requester_counts: true, order_votes: 3}", False),
        ("{requester_counts: true, approver_role: admin}", False),
        ("{requester_counts: true, approver_role: trader, override_votes: 3}", True),
        ("{requester_counts: false, approver_role: trader, override_votes: 3}", False),
        ("{enabled: false, override_votes: 9}", True),
    ],
)
def test_a_quorum_must_be_reachable_by_the_people_there_are(said, approvals, reachable):
    text = said(f"{PERSONS}approvals: {approvals}\n")
    assert ("can never be reached" in text) is not reachable
    assert bool(text) is not reachable


def test_two_persons_of_role_risk_alone_need_requester_counts(said):
    two = "persons: [{id: b, role: risk}, {id: c, role: risk}]\n"
    text = said(two + "approvals: {requester_counts: false}\n")
    assert "besides the requester can never be reached, there are 1" in text
    assert "requester_counts: true" in text
    assert said(two + "approvals: {requester_counts: true}\n") == ""


def test_one_mistake_is_not_reported_twice_by_what_depends_on_it(said):
    text = said("instruments:\n  - {id: BTC-USDC-PERP.PAPER, tick_size: zero, lot_size: 1}\n")
    assert text.startswith("The configuration has 1 problem:")


def test_the_built_in_settings_have_the_mission_s_breakers_and_a_section_changes_what_it_says(tmp_path):
    assert load_config(None).to_settings().breakers == DEFAULTS
    file = tmp_path / "s.yaml"
    file.write_text("breakers: {volatility: {threshold: 12%, actions: [tell_risk]}, spread: {off: true}, drawdown: }\n")
    found = load_config(file).to_settings().breakers
    assert found.volatility is not None
    assert (found.volatility.threshold, found.volatility.actions) == (Decimal("0.12"), (BreakerAction.TELL_RISK,))
    assert found.volatility.hold_ns == 15 * 10**9
    assert found.spread is None
    assert found.drawdown == DEFAULTS.drawdown
