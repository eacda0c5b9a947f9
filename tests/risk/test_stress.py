"""Stress tests: what a shock costs, computed by hand, and what is said where nothing is known."""

from __future__ import annotations

from decimal import Decimal

import pytest

from risk.exposure import Holding
from risk.stress import SHOCKS, AccountMoney, Behaviour, Outcome, Shock, parse, run

D = Decimal
NAMED = {shock.name: shock for shock in SHOCKS}
SPREAD = D("0.0002")
MAIN, SUB = "PAPER:main", "PAPER:sub"


def holding(asset: str, value: int, *, account: str = MAIN, spread: Decimal | None = SPREAD, touch: int = 0) -> Holding:
    return Holding(
        account=account, venue="PAPER", asset=asset, currency="USDC", instrument=f"{asset}-USDC-PERP.PAPER",
        strategy="s", value=D(value), initial_margin=D("0.05"), maintenance_margin=D("0.025"), fee=D("0.0005"),
        spread=spread, touch_value=D(touch),
    )  # fmt: skip


def money(equity: int, account: str = MAIN) -> AccountMoney:
    return AccountMoney(account=account, currency="USDC", equity=D(equity))


def after(shock: Shock | str, *holdings: Holding, equity: int = 100_000, **betas: str) -> Outcome:
    named = NAMED[shock] if isinstance(shock, str) else shock
    return run(named, holdings, [money(equity)], {a: Behaviour(beta=D(b)) for a, b in betas.items()})


def test_btc_falls_20_per_cent_in_a_minute() -> None:
    outcome = after("btc-20", holding("BTC", 50_000), holding("ETH", 20_000), BTC="1", ETH="1.3")
    assert dict(outcome.ways) == {"betas": -15_200, "together": -15_200, "hedges fail": -15_200}
    assert outcome.worst == -15_200
    assert dict(outcome.moves) == {"BTC": D("-0.2"), "ETH": D("-0.26")}
    # what is left is closed at half of ten times the spread, and a fee
    assert outcome.exit_cost == (D(40_000) + D(14_800)) * (D("0.0002") / 2 * 10 + D("0.0005"))
    assert outcome.assumed == ()
    assert outcome.liquidated == ()


def test_in_a_crash_nothing_moves_less_than_the_leader() -> None:
    outcome = after("btc-20", holding("SOL", 10_000), SOL="0.4")
    assert dict(outcome.ways)["betas"] == -800
    assert dict(outcome.ways)["together"] == outcome.worst == -2_000


def test_a_hedged_book_is_also_asked_what_happens_when_its_hedge_fails() -> None:
    outcome = after("btc-20", holding("BTC", 50_000), holding("ETH", -50_000), ETH="1")
    assert dict(outcome.ways)["betas"] == 0
    assert outcome.worst == dict(outcome.ways)["hedges fail"] == -10_000


def test_what_has_too_few_samples_moves_as_the_leader_and_that_is_said() -> None:
    outcome = after("btc-10", holding("NEW", 10_000, spread=None))
    assert outcome.worst == -1_000
    assert outcome.assumed == (
        "NEW has too few samples: it moves as BTC does",
        "where no touch is known, a spread of 0.10%",
    )


def test_a_short_gains_in_a_fall_and_loses_in_a_rise() -> None:
    short = holding("BTC", -50_000)
    assert after("btc-20", short).worst == 0, "when hedges fail nothing is gained"
    assert dict(after("btc-20", short).ways)["betas"] == 10_000
    assert after("btc+20", short).worst == -10_000


def test_an_account_loses_no_more_than_it_has_and_the_venue_closes_it_first() -> None:
    outcome = after("btc-20", holding("BTC", 500_000), equity=60_000)
    assert outcome.worst == -60_000
    assert outcome.liquidated == (MAIN,)
    # equity 60,000 - k 100,000 meets the maintenance of 12,500 (1 - 0.2 k): k = 47,500 / 97,500
    assert outcome.liquidated_at == ((MAIN, D("0.49")),)


def test_another_accounts_money_does_not_help() -> None:
    shock = NAMED["btc-20"]
    holdings = [holding("BTC", 500_000), holding("BTC", 10_000, account=SUB)]
    outcome = run(shock, holdings, [money(60_000), money(1_000_000, SUB)], {})
    assert outcome.worst == -62_000
    assert outcome.liquidated == (MAIN,)
    assert outcome.liquidated_at[1][1] > 1


def test_more_than_the_touch_takes_is_named() -> None:
    outcome = after("btc-20", holding("BTC", 50_000, touch=10_000), holding("ETH", 5_000, touch=10_000))
    assert outcome.beyond_touch == (("BTC-USDC-PERP.PAPER", D(5)),)


def test_a_currency_that_loses_its_peg_takes_the_equity_with_it() -> None:
    assert after("usdc-12", holding("BTC", 50_000)).worst == -12_000
    assert after("usdt-5", holding("BTC", 50_000)).worst == 0


def test_everything_against_us_knows_no_netting() -> None:
    held = [holding("BTC", 50_000), holding("ETH", -20_000)]
    known = {"BTC": Behaviour(daily_deviation=D("0.02")), "ETH": Behaviour()}
    outcome = run(NAMED["against"], held, [money(100_000)], known)
    assert outcome.worst == -50_000 * D("0.06") - 20_000 * D("0.15")
    assert "ETH has too few samples: a daily deviation of 5 %" in outcome.assumed


def test_spreads_cost_something_though_nothing_moves() -> None:
    outcome = after("spreads", holding("BTC", 50_000))
    assert outcome.worst == 0
    assert outcome.exit_cost == 50_000 * (D("0.0002") / 2 * 10 + D("0.0005"))


def test_october_2025_names_btc_and_everything_else() -> None:
    outcome = after("october-2025", holding("BTC", 10_000), holding("SOL", 10_000), SOL="0.5")
    assert outcome.worst == -1_500 - 5_000


def test_with_nothing_held_nothing_is_lost() -> None:
    for shock in SHOCKS:
        assert run(shock, [], [], {}).worst == 0


@pytest.mark.parametrize(
    ("text", "moves"),
    [
        ("BTC -20", {"BTC": "-0.2"}),
        ("btc -20%", {"BTC": "-0.2"}),
        ("what if BTC falls 20 % in a minute?", {"BTC": "-0.2"}),
        ("BTC drops by 2.5 %, eth rises 30 %", {"BTC": "-0.025", "ETH": "0.3"}),
        ("BTC \N{MINUS SIGN}20 ETH -30", {"BTC": "-0.2", "ETH": "-0.3"}),
        ("all -10", {"ALL": "-0.1"}),
    ],
)
def test_people_may_say_it_in_their_own_words(text: str, moves: dict[str, str]) -> None:
    shock = parse(text, ["BTC", "ETH"])
    assert isinstance(shock, Shock), shock
    assert shock.moves == {asset: D(move) for asset, move in moves.items()}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("BTC 20", "does BTC rise or fall?"),
        ("BTC falls -20", "does BTC rise or fall?"),
        ("DOGE -20", "no contract on DOGE"),
        ("BTC -120", "cannot move by"),
        ("the sky falls", "is not understood"),
        ("BTC -20 and then what", "is not understood"),
        ("", "say for example"),
        ("BTC -" + "9" * 5_000, "is not understood"),
        ("x" * 5_000, "is not understood"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_can(text: str, why: str) -> None:
    problem = parse(text, ["BTC", "ETH"])
    assert isinstance(problem, str)
    assert why in problem
    assert len(problem) < 400


def test_every_named_shock_can_be_called_by_its_name() -> None:
    for shock in SHOCKS:
        assert parse(shock.name.upper(), []) == shock
