"""Limits over more than one order: by asset, account, venue, strategy and portfolio. Pure functions over integers.

Money is counted in integers of 10**-MONEY_DECIMALS USD, so that adding up thousands of positions is exact and cheap;
fractions and factors are in parts per million. The measures of an order count everything that may still fill at its
worst side, the order in question included. An order is judged only by what it makes larger: one that lowers a sum
passes, however much too large the sum has become.
"""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from domain.verdict import Reason, Veto
from risk.gate import PPM

MONEY_DECIMALS = 30
"""More than price and quantity decimals of any contract have together, so that a unit is a whole number of these."""
_CENT = 10 ** (MONEY_DECIMALS - 2)
_BEYOND = 10 ** (MONEY_DECIMALS + 30)
"""More than any equity."""
NS = 1_000_000_000


def money(value: Decimal) -> int:
    """USD as an integer."""
    return int(value.scaleb(MONEY_DECIMALS))


def usd(value: int) -> str:
    """An integer amount for people."""
    return f"{value // _CENT / 100:,.2f}"


def percent(ppm: int) -> str:
    """Parts per million for people."""
    return f"{ppm / 10_000:g} %"


class WideLimits(Struct, frozen=True, kw_only=True):
    """What holds for the orders of one slot beyond the slot itself. `*_ppm` are of equity, or factors of it.

    None: nobody set it for this venue or strategy by itself; the portfolio's value judges the portfolio.
    """

    asset_ppm: int
    exposure: int
    venue_exposure: int | None
    strategy_exposure: int | None
    leverage_ppm: int
    account_leverage_ppm: int
    liquidation_ppm: int
    min_book: int
    needs_book: bool
    """Without a book nothing new goes out; where nobody's money is, prices may come from bars alone."""
    warn_positions: int
    positions: int
    venue_positions: int | None
    strategy_positions: int | None
    age_ns: int
    """0 = a position may get as old as it likes."""
    losses: int
    drawdown_ppm: int
    strategy_drawdown_ppm: int
    day_loss_ppm: int


class Measured(Struct, kw_only=True, gc=False):
    """What an order makes of the sums, all that may still fill counted; -1 = not asked for.

    `asset_grows`, `gross_grows`: whether the order makes the asset's worst side, and the slot's own, larger.
    """

    asset: str
    asset_worth: int
    asset_grows: bool
    gross_grows: bool
    equity: int
    gross: int
    venue_gross: int
    strategy_gross: int
    account_worst: int
    """Everything on the account, the order's slot at the order's own price."""
    account_equity: int
    account_gross: int
    account_maintenance: int
    opens: bool
    """Nothing was open or on its way in this slot."""
    positions: int
    """Open ones and this."""


class LossLimit(Struct, frozen=True, gc=False):
    """The part of an amount that may be lost, and the equity at and under which that much of it is gone."""

    amount: Decimal
    most_ppm: int
    before: int
    """The amount, as `money`."""
    floor: int

    def lost_ppm(self, equity: int) -> int:
        """What is gone of the amount; 0 when nothing is, or nothing was there."""
        return (self.before - equity) * PPM // self.before if self.before > max(equity, 0) else 0


def loss_limit(amount: Decimal, most_ppm: int) -> LossLimit:
    """A limit of loss as an equity: `lost_ppm` reaches `most_ppm` there, and at no larger equity."""
    before = money(amount)
    if most_ppm <= 0:  # nothing lost is too much
        return LossLimit(amount, most_ppm, before, _BEYOND)
    floor = before * (PPM - most_ppm) // PPM if before > 0 else -_BEYOND
    return LossLimit(amount, most_ppm, before, floor)


def check_account(most: Decimal, worst: int) -> Veto | None:
    """Worst-side value of everything on the account together, with the order in question."""
    if worst > money(most):
        return Veto(Reason.EXPOSURE_LIMIT, f"account={usd(worst)} max_exposure={most:,}")
    return None


def check_losses(limits: WideLimits, equity: int, day: LossLimit, peak: LossLimit, strategy_ppm: int) -> Veto | None:
    """What was lost of the day's equity, of the highest one, and by the strategy itself."""
    if equity <= day.floor:
        return _lost(Reason.DAILY_LOSS, "daily_loss", day.lost_ppm(equity), day.most_ppm)
    if equity <= peak.floor:
        return _lost(Reason.DRAWDOWN, "portfolio_drawdown", peak.lost_ppm(equity), peak.most_ppm)
    if strategy_ppm >= limits.strategy_drawdown_ppm:
        return _lost(Reason.STRATEGY_DRAWDOWN, "strategy_drawdown", strategy_ppm, limits.strategy_drawdown_ppm)
    return None


def _lost(reason: Reason, rule: str, lost: int, most: int) -> Veto:
    return Veto(reason, f"{percent(lost)} is lost, from {rule} = {percent(most)} on nothing is added")


def check_sums(limits: WideLimits, seen: Measured) -> Veto | None:
    """Asset, and what the slot's growth makes larger: worth of portfolio, venue and strategy, then leverage.

    Venue and strategy where they have a limit of their own.
    """
    if seen.asset_grows and seen.asset_worth * PPM > limits.asset_ppm * seen.equity:
        return Veto(
            Reason.ASSET_LIMIT,
            f"{seen.asset} over all venues would be {usd(seen.asset_worth)} USD, asset_fraction allows "
            f"{percent(limits.asset_ppm)} of {usd(seen.equity)}",
        )
    if not seen.gross_grows:
        return None
    of_venue, of_strategy = limits.venue_exposure, limits.strategy_exposure
    if seen.gross > limits.exposure:
        return _exposure("portfolio", seen.gross, limits.exposure)
    if of_venue is not None and seen.venue_gross > of_venue:
        return _exposure("venue", seen.venue_gross, of_venue)
    if of_strategy is not None and seen.strategy_gross > of_strategy:
        return _exposure("strategy", seen.strategy_gross, of_strategy)
    return check_leverage(limits, seen)


def check_leverage(limits: WideLimits, seen: Measured) -> Veto | None:
    """Leverage of portfolio and account, and how far the account is from its liquidation."""
    if seen.gross * PPM > limits.leverage_ppm * seen.equity:
        return _leverage("portfolio", seen.gross, seen.equity, limits.leverage_ppm)
    if seen.account_gross * PPM > limits.account_leverage_ppm * seen.account_equity:
        return _leverage("account", seen.account_gross, seen.account_equity, limits.account_leverage_ppm)
    equity, gross, maintenance = seen.account_equity, seen.account_gross, seen.account_maintenance
    if gross > 0 and (equity - maintenance) * PPM < limits.liquidation_ppm * (gross + maintenance):
        distance = liquidation_distance_ppm(equity, gross, maintenance)
        text = f"a move of {percent(distance)} would liquidate the account, liquidation_distance asks for "
        return Veto(Reason.LIQUIDATION, text + percent(limits.liquidation_ppm))
    return None


def _exposure(scope: str, worth: int, most: int) -> Veto:
    text = f"the {scope} would come to {usd(worth)} USD, portfolio_exposure allows {usd(most)}"
    return Veto(Reason.EXPOSURE_LIMIT, text)


def _leverage(scope: str, worth: int, equity: int, most_ppm: int) -> Veto:
    times = f"{worth / equity:.2f}x" if equity > 0 else "beyond any measure"
    text = f"the {scope}'s leverage would be {times}, leverage allows {most_ppm / PPM:g}x"
    return Veto(Reason.LEVERAGE, text)


def liquidation_distance_ppm(equity: int, gross: int, maintenance: int) -> int:
    """By how much all prices may move against an account at once until its equity is the maintenance margin.

    At a move d the loss is d * gross and the margin asked for at most maintenance * (1 + d), so that
    d = (equity - maintenance) / (gross + maintenance). There is none where nothing is held or to come (gross = 0).
    """
    return (equity - maintenance) * PPM // (gross + maintenance)


def check_positions(limits: WideLimits, portfolio: int, venue: int, strategy: int) -> Veto | None:
    """Open positions of each scope, with the one that an order opens."""
    for count, most, scope in (
        (portfolio, limits.positions, "portfolio"),
        (venue, limits.venue_positions, "venue"),
        (strategy, limits.strategy_positions, "strategy"),
    ):
        if most is not None and count > most:
            text = f"it would be number {count} of the {scope}, open_positions allows {most}"
            return Veto(Reason.OPEN_POSITIONS, text)
    return None


def check_book(limits: WideLimits, thinner: int) -> Veto | None:
    """Worth of the thinner side of the book; -1 = no book is known."""
    if thinner < 0 and limits.needs_book and limits.min_book:
        return Veto(Reason.LIQUIDITY, f"no book is known, min_liquidity_usd asks for {usd(limits.min_book)}")
    if 0 <= thinner < limits.min_book:
        text = f"{usd(thinner)} USD on the thinner side, min_liquidity_usd asks for {usd(limits.min_book)}"
        return Veto(Reason.LIQUIDITY, text)
    return None


def check_age(limits: WideLimits, age_ns: int) -> Veto | None:
    """Age of a position that an order adds to; 0 = it adds to none."""
    if limits.age_ns and age_ns > limits.age_ns:
        text = f"it is {age_ns // NS} s old, position_age_s allows {limits.age_ns // NS}"
        return Veto(Reason.POSITION_AGE, text)
    return None


def check_streak(limits: WideLimits, losses: int) -> Veto | None:
    """Losses of a strategy in a row, on this day."""
    if losses >= limits.losses:
        text = f"{losses} in a row today, consecutive_losses allows {limits.losses}; the next UTC day begins anew"
        return Veto(Reason.LOSING_STREAK, text)
    return None
