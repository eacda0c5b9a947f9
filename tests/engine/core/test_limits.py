"""Limits by scope: the strictest holds, overrides stand in for what is wider, the gate counts everything at once."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from domain.commands import SetParams
from domain.desired import Desired, Strength
from domain.facts import Refused
from domain.market import Book
from domain.order import OrderStatus, Place
from domain.settings import SECOND_NS, AccountSpec, Environment, Limits, RiskSettings, StrategySpec
from engine.core import limits
from engine.core.core import Core
from engine.core.executor.valuation import count
from engine.core.state import Override, State
from engine.core.tally import AccountSums, Sums, Tally
from tests.engine.core.rig import ACCOUNT, BTC, ETH, SETTINGS, SUB, WIDE, Rig, aim, places, quote, take, target, wants

TWO = replace(
    WIDE,
    accounts=tuple(AccountSpec(id=name, deposit=Decimal(100_000)) for name in (ACCOUNT, SUB)),
    risk=replace(WIDE.risk, portfolio={}),
)
SECOND = StrategySpec(id="second", kind="script", account=SUB, instruments=(BTC.id,))


def ruled(settings=TWO, **scopes: object) -> Rig:
    """A rig whose settings have these rules by scope; 10,000 USD would be a position of 0.16 BTC."""
    return Rig(replace(settings, risk=replace(settings.risk, **scopes))).start()


def core_with(risk: RiskSettings, environment: Environment = Environment.PAPER) -> Core:
    return Core(State(settings=replace(SETTINGS, risk=risk, environment=environment)))


def wish(rig: Rig, strategy: str, desired: Desired) -> list[Place]:
    """Let one of several scripts want something."""
    rig.sent.clear()
    rig.script_of(strategy).wants = desired
    rig.touch()
    return places(rig.sent)


def detail(rig: Rig) -> str:
    return rig.told(Refused)[-1].detail


# the value in force


def test_the_strictest_of_the_scopes_holds() -> None:
    core = core_with(
        RiskSettings(
            portfolio={"open_positions": Decimal(9)},
            venue={"PAPER": {"open_positions": Decimal(5)}},
            strategy={"turtle": {"open_positions": Decimal(7)}},
        )
    )
    assert limits.effective(core, "open_positions") == 9
    assert limits.effective(core, "open_positions", strategy="turtle") == 7
    assert limits.effective(core, "open_positions", strategy="turtle", venue="PAPER") == 5
    assert limits.effective(core, "open_positions", venue="BYBIT") == 9


def test_what_nobody_set_has_the_default_of_the_environment() -> None:
    assert limits.effective(core_with(RiskSettings()), "leverage") == 3
    assert limits.effective(core_with(RiskSettings(), Environment.LIVE), "leverage") == 5


def test_a_rule_without_default_that_nobody_set_is_missing() -> None:
    assert limits.effective(core_with(RiskSettings()), "position_notional") is None
    core = core_with(RiskSettings(instrument={BTC.id: {"position_notional": Decimal(5)}}))
    assert limits.effective(core, "position_notional", instrument=BTC.id) == 5


def test_the_older_words_of_a_limit_still_count() -> None:
    own = Limits(max_position_notional=Decimal(10), max_order_notional=Decimal(7))
    core = core_with(RiskSettings(limits={BTC.id: own}, default_limits=own, base_position_fraction=Decimal("0.01")))
    assert limits.effective(core, "order_notional", instrument=BTC.id) == 7
    assert limits.effective(core, "base_fraction") == Decimal("0.01")
    core.state.settings = replace(
        SETTINGS, risk=replace(core.state.settings.risk, portfolio={"order_notional": Decimal(3)})
    )
    assert limits.effective(core, "order_notional", instrument=BTC.id) == 3


def override(rule: str, scope: str, value: str, until_ns: int = 100) -> Override:
    return Override(
        rule=rule,
        scope=scope,
        value=Decimal(value),
        since_ns=0,
        until_ns=until_ns,
        persons=("ann", "bob"),
        reason="",
        request="R1",
    )


def test_an_override_stands_in_for_its_scope_and_the_wider_ones_until_its_time_is_over() -> None:
    core = core_with(
        RiskSettings(
            portfolio={"asset_fraction": Decimal("0.1")},
            strategy={"turtle": {"asset_fraction": Decimal("0.05")}},
        )
    )
    core.state.overrides["x"] = override("asset_fraction", f"instrument:{BTC.id}", "0.2")
    assert limits.effective(core, "asset_fraction", instrument=BTC.id) == Decimal("0.2")
    assert limits.effective(core, "asset_fraction", instrument=ETH.id) == Decimal("0.1")
    # a strategy's own limit is not the instrument's to loosen
    assert limits.effective(core, "asset_fraction", instrument=BTC.id, strategy="turtle") == Decimal("0.05")
    core.state.ts_ns = 100
    assert limits.effective(core, "asset_fraction", instrument=BTC.id) == Decimal("0.1")


def test_a_hard_limit_cannot_be_overridden() -> None:
    core = core_with(RiskSettings())
    core.state.overrides["x"] = override("leverage", "portfolio", "50")
    assert limits.effective(core, "leverage") == 3


# what the gate counts


def test_an_asset_is_bounded_over_all_accounts_with_what_may_still_fill() -> None:
    rig = ruled()
    rig.load(SECOND)
    (first,) = wish(rig, "script", wants(quote(1, 59_990.0, 0.2)))
    assert rig.order(first.cid).status is OrderStatus.PENDING, "it has not even been answered"
    assert wish(rig, "second", wants(quote(1, 59_990.0, 0.2))) == []
    assert rig.refusals() == ["ASSET_LIMIT"]
    assert detail(rig) == "BTC over all venues would be 24,000.20 USD, asset_fraction allows 10 % of 200,000.00"
    assert len(wish(rig, "second", wants(quote(1, 59_990.0, 0.1)))) == 1


def test_a_target_is_clipped_to_the_room_that_its_asset_has_left() -> None:
    rig = ruled()
    rig.load(SECOND)
    wish(rig, "script", wants(quote(1, 59_990.0, 0.2)))
    (sent,) = wish(rig, "second", wants(target(5.0)))
    assert sent.qty == 132, "8,000 USD at what it may pay"
    assert rig.refusals() == ["POSITION_LIMIT", "ASSET_LIMIT"]
    assert detail(rig) == "entry=e1: 0.132 of 1.658"


def test_a_clipped_target_is_not_traded_up_and_down_by_the_price() -> None:
    rig = ruled()
    rig.hold_position(5.0, "start")
    held = rig.held()
    assert held == 331
    for price in (590_000, 570_000, 610_000, 640_000):
        assert places(rig.want(wants(target(5.0, "start")), price, price + 10)) == []
    assert len(places(rig.want(wants(target(5.0, "next")), 570_000, 570_010))) == 1, "a new entry may use the room"


def test_a_short_elsewhere_pays_for_no_long_here() -> None:
    rig = ruled(instrument={BTC.id: {"asset_fraction": Decimal("0.05")}})
    rig.load(SECOND)
    wish(rig, "script", wants(quote(-1, 60_010.0, 0.1)))
    assert len(wish(rig, "second", wants(quote(1, 59_990.0, 0.1)))) == 1
    assert wish(rig, "second", wants(quote(1, 59_990.0, 0.1), quote(1, 59_980.0, 0.1, 1))) == []


def test_the_sum_of_everything_is_bounded_at_every_scope() -> None:
    rig = ruled(
        venue={"PAPER": {"portfolio_exposure": Decimal(9_010)}},
        strategy={"script": {"portfolio_exposure": Decimal(4_000)}},
    )
    rig.load(SECOND)
    assert wish(rig, "script", wants(quote(1, 59_990.0, 0.1))) == []
    assert "the strategy would come to 6,000.05 USD, portfolio_exposure allows 4,000.00" in detail(rig)
    assert len(wish(rig, "script", wants(quote(1, 59_990.0, 0.05)))) == 1
    assert len(wish(rig, "second", wants(quote(1, 59_990.0, 0.1)))) == 1
    assert wish(rig, "second", wants(quote(1, 59_990.0, 0.1), quote(1, 59_980.0, 0.1, 1))) == []
    assert "the venue would come to" in detail(rig)


def test_an_account_is_not_leveraged_further_than_the_rule() -> None:
    rig = ruled(portfolio={"asset_fraction": Decimal(10), "leverage": Decimal("0.5")})
    assert len(wish(rig, "script", wants(quote(1, 59_990.0, 0.8)))) == 1
    assert wish(rig, "script", wants(quote(1, 59_990.0, 0.8), quote(1, 59_980.0, 0.1, 1))) == []
    assert rig.refusals() == ["LEVERAGE"]
    assert detail(rig) == "the account's leverage would be 0.54x, leverage allows 0.5x"


def test_an_account_keeps_its_distance_to_liquidation() -> None:
    rig = ruled(portfolio={"asset_fraction": Decimal(10), "liquidation_distance": Decimal("0.99")})
    assert len(wish(rig, "script", wants(quote(1, 59_990.0, 1.0)))) == 1, "60,000 of 100,000: no price falls below zero"
    assert wish(rig, "script", wants(quote(1, 59_990.0, 1.0), quote(1, 59_980.0, 0.66, 1))) == []
    assert rig.refusals() == ["LIQUIDATION"]


def test_the_sixteenth_position_is_told_of_and_the_last_one_refused() -> None:
    rig = ruled(portfolio={"open_positions": Decimal(1), "open_positions_warn": Decimal(1)})
    rig.load(SECOND)
    wish(rig, "script", wants(quote(1, 59_990.0, 0.1)))
    assert "open_positions" in rig.alerts()
    assert wish(rig, "second", wants(quote(1, 59_990.0, 0.1))) == []
    assert rig.refusals() == ["OPEN_POSITIONS"]
    assert len(wish(rig, "script", wants(quote(1, 59_990.0, 0.1), quote(1, 59_980.0, 0.01, 1)))) == 1, "the one that is"


def test_a_thin_book_takes_nothing_new_and_a_deep_one_does() -> None:
    rig = ruled()

    def show(qty: int) -> None:
        rig.ingest(Book(instrument=BTC.id, bids=((600_000, qty),), asks=((600_010, 100_000),)))

    show(100)
    assert wish(rig, "script", wants(quote(1, 59_990.0, 0.1))) == []
    assert detail(rig) == "6,000.00 USD on the thinner side, min_liquidity_usd asks for 10,000.00"
    show(1_000)
    rig.sent.clear()
    rig.wait(2)
    assert len(places(rig.sent)) == 1, "it is tried again"


def test_nothing_is_added_to_a_position_that_is_too_old() -> None:
    rig = ruled(strategy={"script": {"position_age_s": Decimal(60)}})
    rig.hold_position(0.05)
    rig.wait(61)
    assert wish(rig, "script", wants(target(0.1, "start"))) == []
    assert rig.refusals() == ["POSITION_AGE"]
    assert len(wish(rig, "script", wants(target(0.02, "start")))) == 1, "it may be reduced"


def test_a_strategy_has_its_own_messages_and_its_cancels_a_reserve() -> None:
    rig = ruled(strategy={"script": {"messages_per_s": Decimal(2)}})
    levels = [quote(1, 59_990.0 - 10 * level, 0.01, level) for level in range(3)]
    sent = wish(rig, "script", wants(*levels))
    assert len(sent) == 2
    assert rig.refusals() == ["MESSAGE_RATE"]
    for place in sent:
        rig.accept(place)
    rig.want(wants())
    assert len(rig.sent) == 2, "both cancels leave at once"


def test_two_accounts_of_a_venue_do_not_trade_with_each_other() -> None:
    rig = ruled()
    rig.load(SECOND)
    wish(rig, "script", wants(quote(-1, 60_001.0, 0.01)))
    assert wish(rig, "second", wants(take(rig, qty=0.01))) == []
    assert rig.refusals() == ["SELF_MATCH"]


def test_a_take_stops_short_of_what_rests_on_the_other_account_behind_the_touch() -> None:
    rig = ruled()
    rig.load(SECOND)
    wish(rig, "script", wants(quote(-1, 60_050.0, 0.01)))
    (sent,) = wish(rig, "second", wants(target(0.01)))
    assert sent.price == 600_499


def test_what_reduces_is_held_up_by_none_of_them() -> None:
    rig = ruled()
    rig.hold_position(0.1)
    tight = {
        "asset_fraction": Decimal(0),
        "leverage": Decimal(0),
        "open_positions": Decimal(0),
        "portfolio_exposure": Decimal(0),
    }
    rig.core.state.settings = replace(rig.settings, risk=replace(rig.settings.risk, portfolio=tight))
    rig.core.refresh()
    assert [place.qty for place in wish(rig, "script", wants(target(0.0)))] == [100]


# what was lost


@pytest.mark.parametrize(
    ("rule", "reason"),
    [("daily_loss", "DAILY_LOSS"), ("portfolio_drawdown", "DRAWDOWN"), ("strategy_drawdown", "STRATEGY_DRAWDOWN")],
)
def test_after_a_loss_nothing_is_added_and_what_is_held_may_be_closed(rule: str, reason: str) -> None:
    others = {name: Decimal(1) for name in ("daily_loss", "portfolio_drawdown", "strategy_drawdown")}
    rig = ruled(SETTINGS, portfolio={**SETTINGS.risk.portfolio, **others, rule: Decimal("0.01")})
    rig.hold_position(1.5)
    rig.wait(61)
    rig.touch(550_000, 550_010)
    assert places(rig.want(wants(target(1.6, "start")), 550_000, 550_010)) != [], "7,500 of 1,000,000"
    rig.cancelled(places(rig.sent)[0].cid, filled=0)
    rig.want(wants(target(1.5, "start")), 530_000, 530_010)
    rig.wait(61)
    assert places(rig.want(wants(target(1.6, "start")), 530_000, 530_010)) == []
    assert rig.refusals() == [reason]
    assert [place.qty for place in places(rig.want(wants(target(0.0, "start")), 530_000, 530_010))] == [1500]


def trade(rig: Rig, entry: str, price: int) -> None:
    """Buy at 60,000 and sell at a price."""
    (bought,) = places(rig.want(wants(target(0.05, entry))))
    rig.fill(bought)
    rig.cancelled(bought.cid)
    rig.wait(2)
    (sold,) = places(rig.want(wants(target(0.0, entry))))
    rig.fill(sold, price=price)
    rig.wait(2)


def test_a_losing_streak_stops_a_strategy_until_the_next_day() -> None:
    rig = ruled(strategy={"script": {"consecutive_losses": Decimal(2)}})
    trade(rig, "a", 590_000)
    trade(rig, "b", 610_000)
    trade(rig, "c", 590_000)
    trade(rig, "d", 590_000)
    assert places(rig.want(wants(target(0.05, "e")))) == []
    assert rig.refusals()[-1] == "LOSING_STREAK"
    rig.wait(86_400)
    assert len(places(rig.want(wants(target(0.05, "f"))))) == 1
    found = rig.core.state.strategies["script"].trades
    assert [round(each, 4) for each in found] == [-0.0167, 0.0167, -0.0167, -0.0167]


def test_the_record_of_trades_begins_anew_with_new_parameters() -> None:
    rig = ruled()
    trade(rig, "a", 590_000)
    assert rig.core.state.strategies["script"].trades
    done = rig.command(SetParams(strategy="script", params={}), "ann")
    assert done.ok, done.text
    assert rig.core.state.strategies["script"].trades == []


# the size of a position


def test_a_strength_is_sized_once_per_entry_and_says_how() -> None:
    rig = ruled()
    (sent,) = places(rig.want(wants(aim(Strength(1.0)))))
    assert sent.qty == 66, "4 % of 100,000"
    why = rig.slot().sized_why
    assert why == "2 % x strength 2.00 x volatility not known x performance 1.00 = 4 %; bound by base_fraction"
    rig.fill(sent)
    rig.core.state.cuts["script"] = Decimal("0.5")
    assert places(rig.want(wants(aim(Strength(1.0))), 500_000, 500_010)) == [], "the entry keeps its size"
    assert [p.qty for p in places(rig.want(wants(aim(Strength(1.0), "e2")), 600_000, 600_010))] == [33]
    assert rig.slot().sized_why.endswith("correlation 50 %; bound by strategy_correlation")


def test_a_wild_market_makes_a_position_smaller() -> None:
    rig = ruled()
    for minute in range(40):
        price = 600_000 + 6_000 * (minute % 2)
        rig.touch(price, price + 10)
        rig.wait(60)
    (sent,) = places(rig.want(wants(aim(Strength(1.0)))))
    assert sent.qty == 16, "1 % a minute is far above the target: a quarter"
    assert "volatility 0.25" in rig.slot().sized_why


def same(one: Tally, other: Tally) -> bool:
    """Whether both have come to the same sums, contracts and positions; what has become nothing is left out."""

    def full(tally: Tally) -> tuple[object, ...]:
        scopes: list[dict[str, Sums]] = [{"": tally.portfolio}, tally.venues, tally.strategies]
        every: list[tuple[int, str, Sums | AccountSums]] = [(3, *row) for row in tally.accounts.items()]
        every += [(kind, *row) for kind, scope in enumerate(scopes) for row in scope.items()]
        sums = {(kind, name): ({n: q for n, q in s.gross.items() if q}, s.open) for kind, name, s in every}
        contracts = {
            name: (found.long, found.short, found.net, found.paid, found.slots, tally.top(name))
            for name, found in tally.contracts.items()
        }
        held = {name: account.held for name, account in tally.accounts.items() if account.held}
        return (
            tally.entries,
            {name: found for name, found in sums.items() if any(found)},
            {name: found for name, found in contracts.items() if any(found[:5])},
            held,
        )

    return full(one) == full(other)


@pytest.mark.parametrize("end", ["filled", "cancelled", "partly"])
def test_the_sums_kept_by_difference_are_those_counted_anew(end: str) -> None:
    rig = ruled()
    (place,) = wish(rig, "script", wants(quote(1, 59_990.0, 0.1)))
    rig.accept(place)
    if end == "cancelled":
        rig.cancelled(place.cid, filled=0)
    else:
        rig.fill(place, 0 if end == "filled" else 30)
    count(rig.core)
    kept = rig.core.tally
    rig.core.recount()
    count(rig.core)
    assert same(kept, rig.core.tally)
    assert rig.now_ns > SECOND_NS
