"""Samples: prices, equity and profit by strategy over time, and the measures of loss that limits and breakers read.

Taken on the equity timer, at most once a minute, so that a message costs nothing; a day of minutes and thirty days of
hours are kept. Amounts in USDC and USDT count as USD: there is no rate between them yet.

Money that is paid in or out is neither profit nor loss: what equity was before is restated by the factor
equity after / equity before, as prices are at a split, so that every fraction of it stays what it was (that is the
time-weighted return). Cash that the venue reports otherwise than our books counts as paid in or out, with an alert.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal

from domain.account import Account
from domain.facts import CashKind, CashMoved, Severity
from domain.instrument import MONEY_STEP, ZERO, AccountId, InstrumentId
from domain.settings import DAY_NS, HOUR_NS, MINUTE_NS
from engine.core.core import Core
from engine.core.state import Series, Slot, StrategyState
from risk.exposure import RiskLevel, next_level

MOST_MINUTES = 1_440
"""Minutes that are kept; they are thinned once an hour, so that there may be an hour more."""
MOST_HOURS = 720
SEVERITY = {
    RiskLevel.LOW: Severity.INFO,
    RiskLevel.MEDIUM: Severity.WARNING,
    RiskLevel.HIGH: Severity.ERROR,
    RiskLevel.CRITICAL: Severity.CRITICAL,
}


def take(core: Core, equity: Decimal) -> bool:
    """Keep one sample of now; `equity` is the portfolio's. A second one within a minute only lifts the highs.

    True when it is the first of an hour. Deterministic: times are event time, amounts are integers and `Decimal`.
    """
    kept, now_ns = core.state.samples, core.state.ts_ns
    profits = profits_now(core)
    kept.peak_equity = max(kept.peak_equity, equity)
    tell_level(core, loss(kept.peak_equity, equity))
    for name, profit in profits.items():
        if profit > kept.peaks.get(name, ZERO):
            kept.peaks[name] = profit
    is_new_hour = False
    if kept.times_ns:
        last_ns = kept.times_ns[-1]
        if now_ns - last_ns < MINUTE_NS:
            return False
        is_new_hour = now_ns // HOUR_NS != last_ns // HOUR_NS
        if is_new_hour:
            close_hour(core)
    kept.times_ns.append(now_ns)
    kept.equity.append(equity)
    for instrument in core.instruments:
        prices = kept.prices.get(instrument)
        if prices is None:
            prices = kept.prices[instrument] = []
        prices.append(core.markets[instrument].reference())
    for name, profit in profits.items():
        kept.pnl.setdefault(name, []).append(profit)
    if len(kept.prices) > len(core.instruments):
        for instrument in [i for i in kept.prices if i not in core.instruments]:
            forget_prices(core, instrument)
    return is_new_hour


def tell_level(core: Core, drawdown: Decimal) -> None:
    """Tell people when the risk level by drawdown has changed."""
    kept = core.state.samples
    level = next_level(kept.level, drawdown)
    if level is kept.level:
        return
    before, kept.level = kept.level, level
    what = f"{drawdown:.1%} under the highest equity of {kept.peak_equity:,.2f}"
    core.alert(SEVERITY[level], "risk_level", f"Risk is {level.upper()}, before {before.upper()}: {what}. See /risk.")


def profits_now(core: Core) -> dict[str, Decimal]:
    """What every loaded strategy has earned since it was loaded: realised + unrealised - fees + funding."""
    found = {name: earned(strategy) for name, strategy in core.state.strategies.items()}
    for slot in core.state.slots.values():
        if slot.owner in found:
            found[slot.owner] += unrealised(core, slot)
    return found


def unrealised(core: Core, slot: Slot) -> Decimal:
    """What the position of a slot has made at the reference price."""
    position = core.state.accounts[slot.account].positions.get(slot.instrument)
    if position is None or not position.qty:
        return ZERO
    return position.unrealised(core.instruments[slot.instrument], core.markets[slot.instrument].reference())


def earned(strategy: StrategyState) -> Decimal:
    """What a strategy has made without what is still open."""
    return strategy.realised - strategy.fees + strategy.funding


def profit_of(core: Core, strategy_id: str) -> Decimal:
    """What one strategy has earned since it was loaded; zero for one that is not loaded."""
    strategy = core.state.strategies.get(strategy_id)
    if strategy is None:
        return ZERO
    return sum((unrealised(core, slot) for slot in core.slots_of(strategy_id)), start=earned(strategy))


def close_hour(core: Core) -> None:
    """Carry the newest minute into the hours, and forget what is older than each of them keeps."""
    kept, hours = core.state.samples, core.state.samples.hours
    since = bisect_left(kept.times_ns, hours.times_ns[-1] + 1) if hours.times_ns else 0
    of_hour = kept.equity[max(0, since - len(kept.times_ns) + len(kept.equity)) :]
    hours.times_ns.append(kept.times_ns[-1])
    if of_hour:
        hours.equity.append(of_hour[-1])
        hours.highs.append(max(of_hour))
    for instrument, prices in kept.prices.items():
        hours.prices.setdefault(instrument, []).append(prices[-1])
    for name, profits in kept.pnl.items():
        before = hours.pnl.setdefault(name, [])
        if before:
            given = given_to(core, name)
            gain = profits[-1] - before[-1]
            hours.earned.setdefault(name, []).append(float(gain / given) if given > 0 else 0.0)
        before.append(profits[-1])
    trim(kept, MOST_MINUTES)
    if len(hours.times_ns) <= MOST_HOURS:
        return
    trim(hours, MOST_HOURS)
    keep_newest(hours.highs, MOST_HOURS)
    for earnings in hours.earned.values():
        keep_newest(earnings, MOST_HOURS)


def trim(series: Series, most: int) -> None:
    """Keep the newest `most` points; no list of a series has more than its times."""
    if len(series.times_ns) <= most:
        return
    keep_newest(series.times_ns, most)
    keep_newest(series.equity, most)
    for prices in series.prices.values():
        keep_newest(prices, most)
    for profits in series.pnl.values():
        keep_newest(profits, most)


def keep_newest(points: list[int] | list[float] | list[Decimal], most: int) -> None:
    """Forget all but the newest."""
    if len(points) > most:
        del points[: len(points) - most]


def forget_strategy(core: Core, strategy_id: str) -> None:
    """An unloaded strategy's profit is no measure of another one that is given its name."""
    kept = core.state.samples
    kept.pnl.pop(strategy_id, None)
    kept.hours.pnl.pop(strategy_id, None)
    kept.hours.earned.pop(strategy_id, None)
    kept.peaks.pop(strategy_id, None)


def forget_prices(core: Core, instrument: InstrumentId) -> None:
    """The contract counts in another scale now, or is gone."""
    core.state.samples.prices.pop(instrument, None)
    core.state.samples.hours.prices.pop(instrument, None)


def cash_moved(
    core: Core,
    kind: CashKind,
    account: AccountId,
    amount: Decimal,
    *,
    instrument: InstrumentId = "",
    owner: str = "",
    ref: str = "",
) -> None:
    """Publish that money moved without a fill."""
    if core.facts_on or kind is CashKind.FUNDING:
        core.facts.append(
            CashMoved(
                **core.at(), kind=kind, account=account, amount=amount, instrument=instrument, owner=owner, ref=ref
            )
        )


def take_over_cash(core: Core, account: Account, cash: Decimal) -> None:
    """Make the venue's cash ours: the difference was paid in or out, and changes neither profit nor drawdown."""
    before = portfolio_equity(core)
    moved = cash - account.cash
    account.deposits += moved
    account.cash = cash
    if moved:
        cash_moved(core, CashKind.DEPOSIT, account.id, moved)
        if account.id in core.state.day_equity:
            core.state.day_equity[account.id] += moved
        restate(core, before, before + moved)
        for strategy in core.state.strategies.values():
            if account.id in strategy.spec.all_accounts:
                now = core.equity_of(strategy.spec)
                restate_peak(core, strategy.spec.id, now - moved, now)


def restate(core: Core, before: Decimal, after: Decimal) -> None:
    """Say what equity was in terms of today's capital; with nothing before or after, it begins anew."""
    kept = core.state.samples
    core.highs.clear()
    if before <= 0 or after <= 0:
        for points in (kept.equity, kept.hours.equity, kept.hours.highs):
            points.clear()
        kept.peak_equity = kept.day_open = max(ZERO, after)
        for breaker in core.state.matrix.values():
            breaker.peak = min(breaker.peak, kept.peak_equity)
        return

    def scaled(amount: Decimal) -> Decimal:
        return (amount * after / before).quantize(MONEY_STEP, ROUND_HALF_EVEN)

    for points in (kept.equity, kept.hours.equity, kept.hours.highs):
        points[:] = [scaled(amount) for amount in points]
    kept.peak_equity = scaled(kept.peak_equity)
    kept.day_open = scaled(kept.day_open)
    for breaker in core.state.matrix.values():
        breaker.peak = scaled(breaker.peak)


def restate_peak(core: Core, strategy_id: str, before: Decimal, after: Decimal) -> None:
    """A strategy was given other equity than before: its drawdown stays the same fraction of it."""
    peaks = core.state.samples.peaks
    profit = profit_of(core, strategy_id)
    given_back = peaks.get(strategy_id, ZERO) - profit
    if given_back > 0:
        again = given_back * after / before if before > 0 and after > 0 else ZERO
        peaks[strategy_id] = profit + again.quantize(MONEY_STEP, ROUND_HALF_EVEN)


def given_to(core: Core, strategy_id: str) -> Decimal:
    """Equity that a strategy is sized by: its share of its accounts'."""
    return core.equity_of(core.state.strategies[strategy_id].spec) * core.share_of(strategy_id)


def portfolio_equity(core: Core) -> Decimal:
    """Equity of all accounts together, in the base currency."""
    return sum((core.equity(account) for account in core.state.accounts), start=ZERO)


def day_loss(core: Core) -> Decimal:
    """Loss since the start of the PNL day (UTC) as a fraction of the equity it opened with; 0 when it is a profit."""
    return loss(day_opened(core), portfolio_equity(core))


def day_opened(core: Core) -> Decimal:
    """Equity of the portfolio at the start of the PNL day."""
    kept, state = core.state.samples, core.state
    if state.day != state.ts_ns // DAY_NS and kept.equity:
        return kept.equity[-1]  # a new day, not sampled yet
    return kept.day_open


def drawdown(core: Core, window_ns: int = 0) -> Decimal:
    """Loss from the highest equity within the window (0 = ever) as a fraction of that; 0 at a new high.

    The window ends at the newest sample. What is older than a day is known by the hour, a high by its hour's highest
    minute; so up to an hour more than the window may count.
    """
    equity = portfolio_equity(core)
    return loss(max(equity, high(core, window_ns)), equity)


def high(core: Core, window_ns: int) -> Decimal:
    """Highest equity among the samples of a window; looked for once per sample."""
    kept = core.state.samples
    if not window_ns or not kept.times_ns:
        return kept.peak_equity
    newest_ns = kept.times_ns[-1]
    known = core.highs.get(window_ns)
    if known is not None and known[0] == newest_ns:
        return known[1]
    since_ns = newest_ns - window_ns
    found = max(ZERO, highest(kept.times_ns, kept.equity, since_ns))
    if since_ns < kept.times_ns[0]:
        found = max(found, highest(kept.hours.times_ns, kept.hours.highs, since_ns))
    core.highs[window_ns] = newest_ns, found
    return found


def highest(times_ns: list[int], amounts: list[Decimal], since_ns: int) -> Decimal:
    """The largest of the amounts that are not older; zero when there is none."""
    first = bisect_left(times_ns, since_ns) - len(times_ns) + len(amounts)
    return max(amounts[max(0, first) :], default=ZERO)


def strategy_drawdown(core: Core, strategy_id: str) -> Decimal:
    """What a strategy has given back of the most it had earned, as a fraction of the equity that it had then.

    That is its share of its account's equity now, and what it gave back; of a strategy alone on its account, without
    an allocator, it is the account's own drawdown.
    """
    if strategy_id not in core.state.strategies:
        return ZERO
    given_back = core.state.samples.peaks.get(strategy_id, ZERO) - profit_of(core, strategy_id)
    if given_back <= 0:
        return ZERO
    given = given_to(core, strategy_id) + given_back
    return given_back / given if given > 0 else Decimal(1)


def loss(before: Decimal, after: Decimal) -> Decimal:
    """What is gone of `before`, as a fraction of it; 0 when nothing is, or nothing was there."""
    return (before - after) / before if before > max(after, ZERO) else ZERO


def returns(core: Core, instrument: InstrumentId, *, by_hour: bool = False) -> list[float]:
    """Simple returns of an instrument from sample to sample, oldest first; gaps in time and price are left out.

    From minutes, or `by_hour`. With a slower equity timer they are as far apart as it.
    """
    return joint_returns(core, (instrument,), by_hour=by_hour)[0]


def joint_returns(core: Core, instruments: Sequence[InstrumentId], *, by_hour: bool) -> list[list[float]]:
    """Returns of several instruments over the steps that all of them have, one list per instrument, oldest first."""
    series: Series = core.state.samples.hours if by_hour else core.state.samples
    columns = [series.prices.get(instrument, []) for instrument in instruments]
    length = min((len(prices) for prices in columns), default=0)
    columns = [prices[len(prices) - length :] for prices in columns]
    times_ns = series.times_ns[len(series.times_ns) - length :]
    most_ns = step_ns(core, by_hour=by_hour) * 3 // 2
    kept = [i for i in range(1, length) if times_ns[i] - times_ns[i - 1] <= most_ns]
    for prices in columns:
        if 0 in prices:
            kept = [i for i in kept if prices[i - 1] and prices[i]]
    return [[prices[i] / prices[i - 1] - 1.0 for i in kept] for prices in columns]


def step_ns(core: Core, *, by_hour: bool) -> int:
    """How far apart samples are when none is missing: the first tick of the timer that is late enough."""
    tick_ns = core.state.settings.execution.equity_sample_ns
    if by_hour:
        return max(HOUR_NS, tick_ns)
    return -(-MINUTE_NS // tick_ns) * tick_ns
