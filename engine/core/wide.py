"""What is larger than a slot: worst sides of assets, accounts, venues, strategies and the portfolio, and their limits.

count    brings the sums of worst sides up to date (`engine.core.tally`)
measure  what an order would lead to
check    holds that against the limits
clip     the part of a target for which there is room
"""

from __future__ import annotations

from decimal import Decimal

from domain.facts import Severity
from domain.instrument import ZERO
from domain.order import OrderKind
from domain.settings import DAY_NS
from domain.verdict import Reason, Veto
from engine.core import samples
from engine.core.core import Core
from engine.core.executor.exposure import exposure_of
from engine.core.limits import Limits, limits_of
from engine.core.state import Slot
from engine.core.tally import NONE, PORTFOLIO, Entry
from risk.gate import PPM, Exposure, check_self_match
from risk.limits import Measured, check_account, check_wide, money

IOC = OrderKind.IOC


def count(core: Core) -> None:
    """Bring the sums of worst sides up to date, and value what is in them at the prices of this event."""
    tally, seq = core.tally, core.state.seq
    if tally.seq != seq:
        tally.seq = seq
        tally.prices.clear()
        tally.equity.clear()
    elif not tally.dirty:
        return
    tally.worths.clear()
    tally.maintenance.clear()
    slots = core.state.slots
    for key in tally.dirty:
        slot = slots[key]
        now = exposure_of(core, slot)
        long, short = max(0, now.worst(1)), max(0, now.worst(-1))
        bid, ask = resting(slot) if slot.orders else (0, 0)
        entry = None
        if long or short or bid or ask:
            entry = Entry(slot.account, slot.instrument, slot.owner, long, short, bid, ask)
            if now.position:
                entry.position = now.position
                entry.paid = money(core.state.accounts[slot.account].positions[slot.instrument].entry_value)
        tally.put(key, entry)
    tally.dirty.clear()
    prices, units, markets = tally.prices, core.units, core.markets
    for name in tally.gross[PORTFOLIO]:
        if name not in prices:
            prices[name] = markets[name].reference() * units[name]


def resting(slot: Slot) -> tuple[int, int]:
    """The best prices of a slot that others may trade against; 0 = none. What takes at once rests nowhere."""
    bid = ask = 0
    for order in slot.orders.values():
        if order.trigger or order.kind is IOC:
            continue
        for price in (order.price, order.amend_price):
            if order.side > 0:
                bid = max(bid, price)
            elif price and (not ask or price < ask):
                ask = price
    return bid, ask


def unit_worth(core: Core, instrument: str) -> int:
    """Worth of one quantity unit of a contract at the reference price, as `risk.limits.money`; 0 = not known."""
    known = core.tally.prices.get(instrument)
    if known is None:
        known = core.tally.prices[instrument] = core.markets[instrument].reference() * core.units[instrument]
    return known


def worth(core: Core, scope: str) -> int:
    """Worst-side worth of everything in a scope at the reference prices."""
    tally = core.tally
    known = tally.worths.get(scope)
    if known is None:
        held, prices = tally.gross.get(scope), tally.prices
        known = tally.worths[scope] = sum([qty * prices[name] for name, qty in held.items()]) if held else 0
    return known


def equity(core: Core, account: str) -> int:
    """An account's equity, as `Core.equity`."""
    known = core.tally.equity.get(account)
    if known is not None:
        return known
    total = money(core.state.accounts[account].cash)
    for name, entry in core.tally.held.get(account, {}).items():
        unit = unit_worth(core, name)
        if unit:
            total += entry.position * unit - entry.paid
    core.tally.equity[account] = total
    return total


def total_equity(core: Core) -> int:
    """Equity of all accounts together."""
    tally = core.tally
    cash = [account.cash for account in core.state.accounts.values()]
    if cash != tally.cash[0]:
        tally.cash = cash, sum([money(amount) for amount in cash])
    total = tally.cash[1]
    prices = tally.prices
    for name, qty in tally.net.items():
        total += qty * prices.get(name, 0)
    for name, paid in tally.paid.items():
        if prices.get(name):
            total -= paid
    return total


def check_account_of(
    core: Core, slot: Slot, found: Limits, side: int, qty: int, price: int, both: Exposure
) -> Veto | None:
    """Worst side of everything on the account beside an order, `both` halves of a fail-over pair being one."""
    count(core)
    worst = max(both.worst(side) + qty, both.worst(-side)) * price * core.units[slot.instrument]
    own = core.tally.entries.get(slot.key, NONE).gross
    elsewhere = worth(core, found.of_account) - own * unit_worth(core, slot.instrument)
    if core.pairs and (pair := core.pairs.get(slot.key)) is not None:
        elsewhere = max(elsewhere, worth_elsewhere(core, pair.other(slot)))
    if worst + elsewhere <= found.most:
        return None
    return check_account(found.gate.max_exposure, worst + elsewhere)


def worth_elsewhere(core: Core, slot: Slot) -> int:
    """Worst-side worth of every other slot of the account, at the reference prices."""
    own = core.tally.entries.get(slot.key, NONE).gross
    return worth(core, f"account:{slot.account}") - own * unit_worth(core, slot.instrument)


def check(core: Core, slot: Slot, found: Limits, side: int, qty: int, price: int, now: Exposure) -> Veto | None:
    """Hold an order of `qty` that adds risk beside `now` against everything that is larger than its slot."""
    limits = found.wide
    seen = measure(core, slot, found, side, qty, price, now)
    veto = check_wide(limits, seen)
    if veto is None and seen.opens and seen.positions == limits.warn_positions:
        core.alert(
            Severity.WARNING,
            "open_positions",
            f"{seen.positions} positions are open or about to be; at {limits.positions} nothing new is opened. "
            "See /positions.",
        )
    return veto


def measure(core: Core, slot: Slot, found: Limits, side: int, qty: int, price: int, now: Exposure) -> Measured:
    """What an order leads to, at the reference prices; its slot at `price` where that is dearer."""
    count(core)
    tally, limits, state, account, instrument = core.tally, found.wide, core.state, slot.account, slot.instrument
    before = tally.entries.get(slot.key, NONE)
    held_unit = unit_worth(core, instrument)
    own_unit = max(price * core.units[instrument], held_unit)
    one, other = max(0, now.worst(side) + qty), max(0, now.worst(-side))
    one_before = before.long if side > 0 else before.short
    asset = asset_worth(core, instrument, side)
    gross, gross_before = max(one, other), before.gross
    change = gross * own_unit - gross_before * held_unit
    whole, total = worth(core, PORTFOLIO), total_equity(core)
    is_only = len(state.accounts) == 1
    opens, opened = not (before.long or before.short), tally.open
    age_ns = 0
    if limits.age_ns:
        position = state.accounts[account].positions.get(instrument)
        if position is not None and position.qty * side > 0:
            age_ns = state.ts_ns - position.opened_ns
    owner = state.strategies.get(slot.owner)
    return Measured(
        asset=core.assets[instrument][0],
        asset_worth=asset - one_before * held_unit + one * own_unit,
        asset_grows=one > one_before,
        gross_grows=gross > gross_before,
        equity=total,
        gross=whole + change,
        venue_gross=-1 if limits.venue_exposure is None else worth(core, found.of_venue) + change,
        strategy_gross=-1 if limits.strategy_exposure is None else worth(core, found.of_strategy) + change,
        account_equity=total if is_only else equity(core, account),
        account_gross=(whole if is_only else worth(core, found.of_account)) + change,
        account_maintenance=maintenance(core, found.of_account) + change * core.maintenance[instrument] // PPM,
        opens=opens,
        positions=opened.get(PORTFOLIO, 0) + opens,
        venue_positions=opened.get(found.of_venue, 0) + opens,
        strategy_positions=opened.get(found.of_strategy, 0) + opens,
        book=book_worth(core, instrument, limits.min_book),
        age_ns=age_ns,
        losses=owner.losses_in_a_row if owner is not None and owner.losses_day == state.ts_ns // DAY_NS else 0,
        drawdown_ppm=lost_ppm(core, "peak", state.samples.peak_equity, total),
        strategy_drawdown_ppm=strategy_lost_ppm(core, slot.owner) if owner is not None else 0,
        day_loss_ppm=lost_ppm(core, "day", samples.day_opened(core), total),
    )


def lost_ppm(core: Core, name: str, amount: Decimal, after: int) -> int:
    """What is gone of an amount that seldom changes, in parts per million; 0 when nothing is."""
    known = core.tally.converted.get(name)
    if known is None or known[0] is not amount:
        known = core.tally.converted[name] = amount, money(amount)
    before = known[1]
    return (before - after) * PPM // before if before > after and before > 0 else 0


def strategy_lost_ppm(core: Core, strategy: str) -> int:
    """A strategy's drawdown (`samples.strategy_drawdown`) at the newest sample."""
    kept = core.state.samples
    profits = kept.pnl.get(strategy)
    if not profits:
        return 0
    given_back = kept.peaks.get(strategy, ZERO) - profits[-1]
    if given_back <= 0:
        return 0
    spec = core.state.strategies[strategy].spec
    whole = sum([equity(core, account) for account in spec.all_accounts])
    given = whole * int(core.share_of(strategy) * PPM) // PPM + money(given_back)
    return money(given_back) * PPM // given if given > 0 else PPM


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
    """How large a position on a side may get, and by which limit."""
    count(core)
    tally, limits, own_unit = core.tally, found.wide, price * core.units[slot.instrument]
    own, held_unit = tally.entries.get(slot.key, NONE), unit_worth(core, slot.instrument)
    gross, one = own.gross * held_unit, (own.long if side > 0 else own.short) * held_unit
    total, account = total_equity(core), equity(core, slot.account)
    whole, in_account = worth(core, PORTFOLIO) - gross, worth(core, found.of_account) - gross
    rooms = [
        (limits.asset_ppm * total // PPM - asset_worth(core, slot.instrument, side) + one, Reason.ASSET_LIMIT),
        (limits.exposure - whole, Reason.EXPOSURE_LIMIT),
        (found.most - in_account, Reason.EXPOSURE_LIMIT),
        (limits.leverage_ppm * total // PPM - whole, Reason.LEVERAGE),
        (limits.account_leverage_ppm * account // PPM - in_account, Reason.LEVERAGE),
    ]
    for most, scope in (
        (limits.venue_exposure, found.of_venue),
        (limits.strategy_exposure, found.of_strategy),
    ):
        if most is not None:
            rooms.append((most - worth(core, scope) + gross, Reason.EXPOSURE_LIMIT))
    room, reason = min(rooms, key=lambda found: found[0])
    return max(0, room) // own_unit, reason


def asset_worth(core: Core, instrument: str, side: int) -> int:
    """Worst side of an instrument's asset over all venues and accounts, at the reference prices."""
    sums = core.tally.longs if side > 0 else core.tally.shorts
    total = 0
    for name in core.assets[instrument][1]:
        qty = sums.get(name)
        if qty:
            total += qty * unit_worth(core, name)
    return total


def maintenance(core: Core, scope: str) -> int:
    """Maintenance margin of everything in a scope, held or to come."""
    tally = core.tally
    known = tally.maintenance.get(scope)
    if known is None:
        held, rates, prices = tally.gross.get(scope) or {}, core.maintenance, tally.prices
        worths = [qty * prices[name] * rates[name] for name, qty in held.items()]
        known = tally.maintenance[scope] = sum(worths) // PPM
    return known


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
    count(core)
    bid, ask = core.tally.top(slot.instrument)
    if (not ask or price < ask) if side > 0 else (not bid or price > bid):
        return None
    bid, ask = own_prices_elsewhere(core, slot)
    return check_self_match(side, price, Exposure(best_bid=bid, best_ask=ask))


def own_prices_elsewhere(core: Core, slot: Slot) -> tuple[int, int]:
    """Our best bid and ask resting in the slot's contract on the other accounts of the venue; 0 = none."""
    bid = ask = 0
    on = core.tally.on.get(slot.instrument)
    if on is None or len(on) == (slot.key in on):
        return 0, 0
    for key, entry in on.items():
        if key != slot.key:
            bid = max(bid, entry.best_bid)
            if entry.best_ask and (not ask or entry.best_ask < ask):
                ask = entry.best_ask
    return bid, ask


def short_of_own(core: Core, slot: Slot, side: int, price: int) -> int:
    """The worst price that a take may pay without reaching what rests on another account of ours behind the touch."""
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
