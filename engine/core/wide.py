"""What is larger than a slot: worst sides of assets, accounts, venues, strategies and the portfolio, and their limits.

measure  what an order would make of the sums of worst sides (`engine.core.executor.valuation`)
check    holds that against the limits
clip     the part of a target for which there is room
"""

from __future__ import annotations

from decimal import Decimal

from domain.facts import Severity
from domain.instrument import ZERO
from domain.settings import DAY_NS
from domain.verdict import Reason, Veto
from engine.core import samples
from engine.core.core import ONE, Core
from engine.core.executor.valuation import asset_worth, count, equity, maintenance, total_equity, unit_worth, worth
from engine.core.limits import Limits, limits_of
from engine.core.state import Slot
from engine.core.tally import NONE
from risk.gate import PPM, Exposure, check_self_match
from risk.limits import (
    LossLimit,
    Measured,
    check_account,
    check_age,
    check_book,
    check_losses,
    check_positions,
    check_streak,
    check_sums,
    loss_limit,
    money,
)


def check(
    core: Core, slot: Slot, found: Limits, side: int, qty: int, price: int, now: Exposure, both: Exposure
) -> Veto | None:
    """Hold an order of `qty` that adds risk beside `now` against everything that is larger than its slot.

    `both` is `now` with the other half of a fail-over pair.
    """
    seen = measure(core, slot, found, side, qty, price, now)
    veto = judge(core, slot, found, seen, side, qty, price, both)
    if veto is None and seen.opens and seen.positions == found.wide.warn_positions:
        core.alert(
            Severity.WARNING,
            "open_positions",
            f"{seen.positions} positions are open or about to be; at {found.wide.positions} nothing new is opened. "
            "See /positions.",
        )
    return veto


def judge(
    core: Core, slot: Slot, found: Limits, seen: Measured, side: int, qty: int, price: int, both: Exposure
) -> Veto | None:
    """Every limit over more than one order, for one that has been measured just now; None lets it pass."""
    worst = seen.account_worst
    if core.pairs and slot.key in core.pairs:
        worst = worst_of_pair(core, slot, side, qty, price, both)
    if worst > found.most:
        return check_account(found.gate.max_exposure, worst)
    limits = found.wide
    day = loss_of(core, "day", samples.day_opened(core), limits.day_loss_ppm)
    peak = loss_of(core, "peak", core.state.samples.peak_equity, limits.drawdown_ppm)
    veto = check_losses(limits, seen.equity, day, peak, strategy_lost_ppm(core, slot.owner))
    return veto or check_sums(limits, seen) or check_rest(core, slot, found, seen, side)


def check_rest(core: Core, slot: Slot, found: Limits, seen: Measured, side: int) -> Veto | None:
    """Open positions, depth of the book, age of the position, losses in a row: each where it is asked for."""
    limits, state, veto = found.wide, core.state, None
    if seen.opens:
        scopes = core.tally.scopes_of(slot.key, slot)
        veto = check_positions(limits, seen.positions, scopes.venue.open + 1, scopes.strategy.open + 1)
    if veto is None and limits.min_book:
        veto = check_book(limits, book_worth(core, slot.instrument, limits.min_book))
    if veto is None and limits.age_ns:
        position = state.accounts[slot.account].positions.get(slot.instrument)
        if position is not None and position.qty * side > 0:
            veto = check_age(limits, state.ts_ns - position.opened_ns)
    if veto is not None:
        return veto
    owner = state.strategies.get(slot.owner)
    losses = owner.losses_in_a_row if owner is not None else 0
    if owner is not None and losses and owner.losses_day != state.ts_ns // DAY_NS:
        losses = 0
    return check_streak(limits, losses)


def worst_of_pair(core: Core, slot: Slot, side: int, qty: int, price: int, both: Exposure) -> int:
    """Worst side of everything on the fuller account beside an order, both halves of a fail-over pair being one."""
    worst = max(both.worst(side) + qty, both.worst(-side)) * price * core.units[slot.instrument]
    return worst + max(worth_elsewhere(core, half) for half in (slot, core.pairs[slot.key].other(slot)))


def worth_elsewhere(core: Core, slot: Slot) -> int:
    """Worst-side worth of every other slot of the account, at the reference prices."""
    own = core.tally.entries.get(slot.key, NONE).gross
    account = core.tally.scopes_of(slot.key, slot).account
    return worth(core, account) - own * unit_worth(core, slot.instrument)


def measure(core: Core, slot: Slot, found: Limits, side: int, qty: int, price: int, now: Exposure) -> Measured:
    """What an order leads to, at the reference prices; its slot at `price` where that is dearer."""
    count(core)
    tally, limits, instrument = core.tally, found.wide, slot.instrument
    scopes, before = tally.scopes_of(slot.key, slot), tally.entries.get(slot.key, NONE)
    held_unit, price_unit = unit_worth(core, instrument), price * core.units[instrument]
    own_unit = max(held_unit, price_unit)
    one, other = now.worst(side) + qty, now.worst(-side)
    one = max(one, 0)
    gross = max(other, one)
    one_before = before.long if side > 0 else before.short
    own, own_before = gross * own_unit, before.gross * held_unit
    change = own - own_before
    in_account = whole = worth(core, scopes.account)
    account_equity = total = equity(core, slot.account)
    if len(core.state.accounts) > 1:
        whole, total = worth(core, scopes.portfolio), total_equity(core)
    opens = not (before.long or before.short)
    return Measured(
        asset=core.assets[instrument][0],
        asset_worth=asset_worth(core, instrument, side) - one_before * held_unit + one * own_unit,
        asset_grows=one > one_before,
        gross_grows=gross > before.gross,
        equity=total,
        gross=whole + change,
        venue_gross=-1 if limits.venue_exposure is None else worth(core, scopes.venue) + change,
        strategy_gross=-1 if limits.strategy_exposure is None else worth(core, scopes.strategy) + change,
        account_worst=in_account - own_before + gross * price_unit,
        account_equity=account_equity,
        account_gross=in_account + change,
        account_maintenance=maintenance(core, scopes.account) + change * core.maintenance[instrument] // PPM,
        opens=opens,
        positions=scopes.portfolio.open + opens,
    )


def loss_of(core: Core, name: str, amount: Decimal, most_ppm: int) -> LossLimit:
    """A limit of loss, made anew where the amount or the limit is another one."""
    known = core.tally.losses.get(name)
    if known is None or known.amount is not amount or known.most_ppm != most_ppm:
        known = core.tally.losses[name] = loss_limit(amount, most_ppm)
    return known


def strategy_lost_ppm(core: Core, strategy: str) -> int:
    """A strategy's drawdown (`samples.strategy_drawdown`) at the newest sample."""
    kept = core.state.samples
    profits = kept.pnl.get(strategy)
    if not profits or strategy not in core.state.strategies:
        return 0
    peak, profit = kept.peaks.get(strategy, ZERO), profits[-1]
    known = core.tally.given_back.get(strategy)
    if known is None or known[0] is not peak or known[1] is not profit:
        known = core.tally.given_back[strategy] = peak, profit, money(peak - profit)
    given_back = known[2]
    if given_back <= 0:
        return 0
    given = sum([equity(core, account) for account in core.state.strategies[strategy].spec.all_accounts])
    share = core.share_of(strategy)
    if share is not ONE:
        given = given * int(share * PPM) // PPM
    given += given_back
    return given_back * PPM // given if given > 0 else PPM


def clip(core: Core, slot: Slot, entry: str, wanted: int, price: int) -> tuple[int, Reason | None]:
    """What `fits` of a target, and never more than did for the same wish before: a moving price does not trade it."""
    allowed, tightest = fits(core, slot, wanted, price)
    if tightest is None:
        return wanted, None
    before = slot.clipped
    if before[:2] == (entry, wanted):
        held = held_towards(core, slot, wanted)
        most = min(abs(allowed), max(abs(before[2]), held))
        allowed = most if wanted > 0 else -most
    if allowed == wanted:
        return wanted, None
    slot.clipped = (entry, wanted, allowed)
    return allowed, tightest


def fits(core: Core, slot: Slot, wanted: int, price: int) -> tuple[int, Reason | None]:
    """The part of a target for which everything larger than its slot has room, valued at `price`, and what bounds it.

    Never less than what is held. None: nothing bounds it.
    """
    found = limits_of(core, slot)
    if found is None or price <= 0 or not wanted:
        return wanted, None
    side = 1 if wanted > 0 else -1
    room, tightest = room_for(core, slot, found, side, price)
    room -= room % core.instruments[slot.instrument].lot
    return side * min(abs(wanted), max(room, held_towards(core, slot, wanted))), tightest


def held_towards(core: Core, slot: Slot, wanted: int) -> int:
    """How much of the position is on the side of a target."""
    return max(0, core.position(slot.account, slot.instrument) * (1 if wanted > 0 else -1))


def room_for(core: Core, slot: Slot, found: Limits, side: int, price: int) -> tuple[int, Reason]:
    """How large a position on a side may get, and by which limit: the first of the tightest."""
    count(core)
    tally, limits = core.tally, found.wide
    scopes, own = tally.scopes_of(slot.key, slot), tally.entries.get(slot.key, NONE)
    held_unit = unit_worth(core, slot.instrument)
    gross, one = own.gross * held_unit, (own.long if side > 0 else own.short) * held_unit
    account = total = equity(core, slot.account)
    in_account = whole = worth(core, scopes.account) - gross
    if len(core.state.accounts) > 1:
        whole, total = worth(core, scopes.portfolio) - gross, total_equity(core)
    reason = Reason.ASSET_LIMIT
    room = limits.asset_ppm * total // PPM - asset_worth(core, slot.instrument, side) + one
    exposure = min(limits.exposure - whole, found.most - in_account)
    if exposure < room:
        room, reason = exposure, Reason.EXPOSURE_LIMIT
    leverage = min(
        limits.leverage_ppm * total // PPM - whole, limits.account_leverage_ppm * account // PPM - in_account
    )
    if leverage < room:
        room, reason = leverage, Reason.LEVERAGE
    for most, sums in ((limits.venue_exposure, scopes.venue), (limits.strategy_exposure, scopes.strategy)):
        if most is not None and most - worth(core, sums) + gross < room:
            room, reason = most - worth(core, sums) + gross, Reason.EXPOSURE_LIMIT
    return max(0, room) // (price * core.units[slot.instrument]), reason


def book_worth(core: Core, instrument: str, enough: int) -> int:
    """Worth of the thinner side of the book, counted no further than `enough`; -1 = no book is known.

    Of a touch alone more than it shows is not known: it is judged only where it is enough.
    """
    market, unit = core.markets[instrument], core.units[instrument]
    if not (market.bids or market.asks):
        return -1
    thinner = enough
    for levels in (market.bids, market.asks):
        found = 0
        for price, qty in levels:
            found += price * qty * unit
            if found >= enough:
                break
        thinner = min(thinner, found)
    return thinner


def check_own_accounts(core: Core, slot: Slot, side: int, price: int) -> Veto | None:
    """Self-match with another account of ours at the venue."""
    if is_alone(core, slot):
        return None
    count(core)
    bid, ask = core.tally.top(slot.instrument)
    if (not ask or price < ask) if side > 0 else (not bid or price > bid):
        return None
    bid, ask = own_prices_elsewhere(core, slot)
    return check_self_match(side, price, Exposure(best_bid=bid, best_ask=ask))


def is_alone(core: Core, slot: Slot) -> bool:
    """Whether no other slot has anything in the contract, or may since it was counted: then there is none to meet."""
    tally, key = core.tally, slot.key
    for other in tally.dirty:
        if other != key:
            return False
    contract = tally.contracts.get(slot.instrument)
    return contract is None or len(contract.slots) == (key in contract.slots)


def own_prices_elsewhere(core: Core, slot: Slot) -> tuple[int, int]:
    """Our best bid and ask resting in the slot's contract on the other accounts of the venue; 0 = none."""
    bid = ask = 0
    contract = core.tally.contracts.get(slot.instrument)
    if contract is None:
        return 0, 0
    for key, entry in contract.slots.items():
        if key != slot.key:
            bid = max(bid, entry.best_bid)
            if entry.best_ask and (not ask or entry.best_ask < ask):
                ask = entry.best_ask
    return bid, ask


def short_of_own(core: Core, slot: Slot, side: int, price: int) -> int:
    """The worst price that a take may pay without reaching what rests on another account of ours behind the touch."""
    if is_alone(core, slot):
        return price
    count(core)
    bid, ask = core.tally.top(slot.instrument)
    if (not ask or price < ask) if side > 0 else (not bid or price > bid):
        return price
    bid, ask = own_prices_elsewhere(core, slot)
    market, step = core.markets[slot.instrument], core.instruments[slot.instrument].price_step(price)
    if side > 0 and ask and market.ask and market.ask < ask <= price:
        return max(market.ask, ask - step)
    if side < 0 and bid and market.bid > bid >= price:
        return min(market.bid, bid + step)
    return price
