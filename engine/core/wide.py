"""What is larger than a slot: worst sides of assets, accounts, venues, strategies and the portfolio, and their limits.

measure  what an order would make of the sums of worst sides (`engine.core.executor.valuation`)
check    holds that against the limits
clip     the part of a target for which there is room
"""

from __future__ import annotations

from domain.facts import Severity
from domain.instrument import ZERO
from domain.settings import DAY_NS
from domain.verdict import Reason, Veto
from engine.core import samples
from engine.core.core import ONE, Core
from engine.core.executor.valuation import asset_worth, count, total_equity, unit_worth, value, worth
from engine.core.limits import Limits, limits_of
from engine.core.state import Slot
from engine.core.tally import NONE
from risk.gate import PPM, Exposure, check_self_match
from risk.limits import (
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
    core: Core, slot: Slot, found: Limits, side: int, price: int, worst: int, gross: int, together: int
) -> Veto | None:
    """Hold an order that adds risk against everything that is larger than its slot.

    With it the slot may come to `worst` on the order's side, and to `gross` on the larger one; `together` is that with
    its other half's, where it is half of a fail-over pair.
    """
    seen = measure(core, slot, found, side, price, worst, gross)
    veto = judge(core, slot, found, seen, side, price, together)
    if veto is None and seen.opens and seen.positions == found.wide.warn_positions:
        core.alert(
            Severity.WARNING,
            "open_positions",
            f"{seen.positions} positions are open or about to be; at {found.wide.positions} nothing new is opened. "
            "See /positions.",
        )
    return veto


def judge(core: Core, slot: Slot, found: Limits, seen: Measured, side: int, price: int, together: int) -> Veto | None:
    """Every limit over more than one order, for one that has been measured just now; None lets it pass."""
    limits, tally = found.wide, core.tally
    on_account = seen.account_worst
    if core.pairs and (pair := core.pairs.get(slot.key)) is not None:
        elsewhere = max(worth_elsewhere(core, slot), worth_elsewhere(core, pair.other(slot)))
        on_account = together * price * core.units[slot.instrument] + elsewhere
    if on_account > found.most:
        return check_account(found.gate.max_exposure, on_account)
    day, peak = tally.day_loss, tally.peak_loss
    opened, highest = samples.day_opened(core), core.state.samples.peak_equity
    if day is None or day.amount is not opened or day.most_ppm != limits.day_loss_ppm:
        day = tally.day_loss = loss_limit(opened, limits.day_loss_ppm)
    if peak is None or peak.amount is not highest or peak.most_ppm != limits.drawdown_ppm:
        peak = tally.peak_loss = loss_limit(highest, limits.drawdown_ppm)
    veto = check_losses(limits, seen.equity, day, peak, strategy_lost_ppm(core, slot.owner))
    if veto is None:
        veto = check_sums(limits, seen)
    return check_rest(core, slot, found, seen, side) if veto is None else veto


def check_rest(core: Core, slot: Slot, found: Limits, seen: Measured, side: int) -> Veto | None:
    """Open positions, depth of the book, age of the position, losses in a row: each where it is asked for."""
    limits, state, veto = found.wide, core.state, None
    if seen.opens:
        scopes = core.tally.scopes_of(slot, slot.owner)
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
    if losses and owner is not None and owner.losses_day != state.ts_ns // DAY_NS:
        losses = 0
    return check_streak(limits, losses)


def worth_elsewhere(core: Core, slot: Slot) -> int:
    """Worst-side worth of every other slot of the account, at the reference prices."""
    own = core.tally.entries.get(slot.key, NONE).gross
    return value(core, slot.account).worth - own * unit_worth(core, slot.instrument)


def measure(core: Core, slot: Slot, found: Limits, side: int, price: int, worst: int, gross: int) -> Measured:
    """What an order leads to (see `check`), at the reference prices; its slot at `price` where that is dearer."""
    count(core)
    tally, limits, instrument = core.tally, found.wide, slot.instrument
    scopes, before = tally.scopes_of(slot, slot.owner), tally.entries.get(slot.key, NONE)
    held_unit, price_unit = unit_worth(core, instrument), price * core.units[instrument]
    own_unit = price_unit if price_unit > held_unit else held_unit  # noqa: FURB136 - on the hot path
    if worst < 0:  # noqa: PLR1730 - on the hot path, and max() costs thrice as much
        worst = 0
    worst_before = before.long if side > 0 else before.short
    asset, alike = core.assets[instrument]
    own_before = before.gross * held_unit
    change = gross * own_unit - own_before
    account = value(core, slot.account)
    whole, total = account.worth, account.equity
    if len(core.state.accounts) > 1:
        whole, total = worth(core, scopes.portfolio), total_equity(core)
    opens = not (before.long or before.short)
    return Measured(
        asset=asset,
        asset_worth=asset_worth(core, alike, side) - worst_before * held_unit + worst * own_unit,
        asset_grows=worst > worst_before,
        gross_grows=gross > before.gross,
        equity=total,
        gross=whole + change,
        venue_gross=-1 if limits.venue_exposure is None else worth(core, scopes.venue) + change,
        strategy_gross=-1 if limits.strategy_exposure is None else worth(core, scopes.strategy) + change,
        account_worst=account.worth - own_before + gross * price_unit,
        account_equity=account.equity,
        account_gross=account.worth + change,
        account_maintenance=account.maintenance + change * core.maintenance[instrument] // PPM,
        opens=opens,
        positions=scopes.portfolio.open + opens,
    )


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
    spec = core.state.strategies[strategy].spec
    given = value(core, spec.account).equity
    for account in spec.accounts:
        given += value(core, account).equity
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
    scopes, own = tally.scopes_of(slot, slot.owner), tally.entries.get(slot.key, NONE)
    held_unit = unit_worth(core, slot.instrument)
    gross, one = own.gross * held_unit, (own.long if side > 0 else own.short) * held_unit
    account = value(core, slot.account)
    in_account = whole = account.worth - gross
    total = account.equity
    if len(core.state.accounts) > 1:
        whole, total = worth(core, scopes.portfolio) - gross, total_equity(core)
    reason = Reason.ASSET_LIMIT
    room = limits.asset_ppm * total // PPM - asset_worth(core, core.assets[slot.instrument][1], side) + one
    exposure = min(limits.exposure - whole, found.most - in_account)
    if exposure < room:
        room, reason = exposure, Reason.EXPOSURE_LIMIT
    leverage = min(
        limits.leverage_ppm * total // PPM - whole, limits.account_leverage_ppm * account.equity // PPM - in_account
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
    if len(core.state.accounts) == 1:
        return True  # a contract has one slot on each account
    tally, key = core.tally, slot.key
    if tally.dirty and (len(tally.dirty) > 1 or key not in tally.dirty):
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
