"""Limits in force: the value of a rule for what an order falls under, and the measures that the gate holds against it.

effective   the strictest value of a rule, after an override
limits_of   every limit of one slot, put together once and kept until settings or overrides change
count       brings the sums of worst sides up to date (`engine.core.tally`)
check       holds an order against everything that is larger than its slot
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from domain.account import venue_of
from domain.facts import Severity
from domain.order import OrderKind
from domain.settings import Environment, RiskSettings
from domain.verdict import Reason, Veto
from engine.core.core import Core
from engine.core.executor.exposure import exposure_of
from engine.core.state import Override, Slot
from engine.core.tally import NONE, PORTFOLIO, Entry
from risk.gate import PPM, Exposure, GateConfig
from risk.limits import NS, Measured, WideLimits, check_account, check_wide, money
from risk.rules import INSTRUMENT, RULES, STRATEGY, VENUE, WIDTH, ScopeKind, parse_scope, strictest

IOC = OrderKind.IOC


class Limits(NamedTuple):
    """What holds for the orders of one slot while `owner` owns it."""

    owner: str
    gate: GateConfig
    wide: WideLimits
    messages: int
    """Of the strategy, in a window."""
    venue_messages: int


def effective(core: Core, rule: str, *, instrument: str = "", strategy: str = "", venue: str = "") -> Decimal | None:
    """The value that holds for what falls under these scopes: the strictest, after overrides. None = refused."""
    names = {VENUE: venue, STRATEGY: strategy, INSTRUMENT: instrument}
    values = _values(core, rule, names)
    if core.state.overrides and not RULES[rule].hard:
        values = _overridden(core, rule, names, values)
    return strictest(RULES[rule], [value for _, value in values])


def configured(core: Core, rule: str, *, instrument: str = "", strategy: str = "", venue: str = "") -> Decimal | None:
    """As `effective`, as if there were no overrides."""
    values = _values(core, rule, {VENUE: venue, STRATEGY: strategy, INSTRUMENT: instrument})
    return strictest(RULES[rule], [value for _, value in values])


def _values(core: Core, rule: str, names: dict[ScopeKind, str]) -> list[tuple[ScopeKind, Decimal]]:
    """What the settings say of a rule, or its default."""
    values = list(_set(core.state.settings.risk, rule, names))
    if not any(kind is ScopeKind.PORTFOLIO for kind, _ in values):
        default = RULES[rule].default_in(core.state.settings.environment)
        values += [(ScopeKind.PORTFOLIO, default)] if default is not None else []
    return values


def _set(risk: RiskSettings, rule: str, names: dict[ScopeKind, str]) -> Iterator[tuple[ScopeKind, Decimal]]:
    """What the settings say of a rule, with the kind of the scope that says it."""
    by_kind = {VENUE: risk.venue, STRATEGY: risk.strategy, INSTRUMENT: risk.instrument}
    if rule in risk.portfolio:
        yield ScopeKind.PORTFOLIO, risk.portfolio[rule]
    elif (older := _older(risk, rule, names[INSTRUMENT])) is not None:
        yield older
    for kind, name in names.items():
        value = by_kind[kind].get(name, {}).get(rule)
        if value is not None:
            yield kind, value


def _older(risk: RiskSettings, rule: str, instrument: str) -> tuple[ScopeKind, Decimal] | None:
    """What the settings say of a rule in the words that they had before there were rules."""
    if rule == "base_fraction":
        return ScopeKind.PORTFOLIO, risk.base_position_fraction
    if rule == "asset_fraction":
        return ScopeKind.PORTFOLIO, risk.max_position_fraction
    if rule == "messages_per_s":
        return ScopeKind.PORTFOLIO, Decimal(risk.messages_per_window) * NS / risk.message_window_ns
    limits = risk.limits.get(instrument) or risk.default_limits
    if limits is None:
        return None
    value = {
        "position_notional": limits.max_position_notional,
        "order_notional": limits.max_order_notional,
        "price_collar": limits.price_collar,
        "reference_age_s": Decimal(limits.max_reference_age_ns) / NS,
    }.get(rule)
    return (ScopeKind.PORTFOLIO, value) if value is not None else None


def _overridden(
    core: Core, rule: str, names: dict[ScopeKind, str], values: list[tuple[ScopeKind, Decimal]]
) -> list[tuple[ScopeKind, Decimal]]:
    """With overrides: each stands in for the value of its own scope and of every wider one."""
    found = list(overrides_of(core, rule, names))
    for kind, _ in found:
        values = [row for row in values if row[0] is not kind and WIDTH[row[0]] >= WIDTH[kind]]
    return values + [(kind, override.value) for kind, override in found]


def overrides_of(core: Core, rule: str, names: dict[ScopeKind, str]) -> Iterator[tuple[ScopeKind, Override]]:
    """The overrides of a rule that are in force now for what falls under these scopes."""
    for override in core.state.overrides.values():
        scope = parse_scope(override.scope)
        if override.rule != rule or scope is None or not override.since_ns <= core.state.ts_ns < override.until_ns:
            continue
        if scope[0] is ScopeKind.PORTFOLIO or names[scope[0]] == scope[1]:
            yield scope[0], override


def limits_of(core: Core, slot: Slot) -> Limits | None:
    """Every limit of a slot; None where one is missing, which refuses."""
    if not core.state.overrides:
        known = core.limits.get(slot.key)
        if known is not None and known.owner == slot.owner:
            return known
    made = make_limits(core, slot)
    if made is not None and not core.state.overrides:
        core.limits[slot.key] = made
    return made


def gate_of(core: Core, slot: Slot) -> GateConfig | None:
    """The limits of a slot by itself; None where one is missing, which refuses."""
    limits = limits_of(core, slot)
    return limits.gate if limits is not None else None


def make_limits(core: Core, slot: Slot) -> Limits | None:
    """Put the limits of a slot together."""
    venue, owner = venue_of(slot.account), slot.owner
    own = {name: effective(core, name, instrument=slot.instrument, strategy=owner, venue=venue) for name in RULES}
    whole = {name: effective(core, name) for name in RULES}
    if any(own[name] is None and not rule.optional for name, rule in RULES.items()):
        return None
    sure = {name: value for name, value in own.items() if value is not None}
    risk = core.state.settings.risk
    gate = GateConfig(
        max_position_notional=sure["position_notional"],
        max_order_notional=sure["order_notional"],
        max_exposure=risk.max_exposure,
        collar_ppm=_ppm(sure["price_collar"]),
        max_reference_age_ns=int(sure["reference_age_s"] * NS),
        messages_per_window=risk.messages_per_window,
        reserve_messages=risk.reserve_messages,
        window_ns=risk.message_window_ns,
    )

    def of_whole(name: str) -> Decimal:
        return whole[name] or Decimal(0)

    def of_venue(name: str) -> Decimal | None:
        return _unless(whole[name], effective(core, name, venue=venue))

    def of_strategy(name: str) -> Decimal | None:
        return _unless(whole[name], effective(core, name, strategy=owner))

    venue_exposure, strategy_exposure = of_venue("portfolio_exposure"), of_strategy("portfolio_exposure")
    venue_positions, strategy_positions = of_venue("open_positions"), of_strategy("open_positions")
    wide = WideLimits(
        asset_ppm=_ppm(sure["asset_fraction"]),
        exposure=money(of_whole("portfolio_exposure")),
        venue_exposure=money(venue_exposure) if venue_exposure is not None else None,
        strategy_exposure=money(strategy_exposure) if strategy_exposure is not None else None,
        leverage_ppm=_ppm(of_whole("leverage")),
        account_leverage_ppm=_ppm(sure["leverage"]),
        liquidation_ppm=_ppm(sure["liquidation_distance"]),
        min_book=money(sure["min_liquidity_usd"]),
        needs_book=core.state.settings.environment is not Environment.PAPER,
        warn_positions=int(of_whole("open_positions_warn")),
        positions=int(of_whole("open_positions")),
        venue_positions=int(venue_positions) if venue_positions is not None else None,
        strategy_positions=int(strategy_positions) if strategy_positions is not None else None,
        age_ns=int(sure.get("position_age_s", Decimal(0)) * NS),
        losses=int(sure["consecutive_losses"]),
    )
    window_s = Decimal(risk.message_window_ns) / NS
    at_venue = effective(core, "messages_per_s", venue=venue) or Decimal(0)
    of_owner = effective(core, "messages_per_s", strategy=owner) or Decimal(0)
    return Limits(owner, gate, wide, int(of_owner * window_s), int(at_venue * window_s))


def _ppm(value: Decimal) -> int:
    return int(value * PPM)


def _unless(whole: Decimal | None, part: Decimal | None) -> Decimal | None:
    """What is set for a part of the portfolio by itself; None when it is the portfolio's."""
    return None if part == whole else part


def count(core: Core) -> None:
    """Bring the sums of worst sides up to date, and forget what was valued at an earlier event."""
    tally = core.tally
    if tally.seq != core.state.seq:
        tally.seq = core.state.seq
        tally.prices.clear()
        tally.equity.clear()
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
    held = core.tally.gross.get(scope)
    return sum([qty * unit_worth(core, name) for name, qty in held.items()]) if held else 0


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


def check_account_of(
    core: Core, slot: Slot, gate: GateConfig, side: int, qty: int, price: int, both: Exposure
) -> Veto | None:
    """Worst side of everything on the account beside an order, `both` halves of a fail-over pair being one."""
    count(core)
    worst = max(both.worst(side) + qty, both.worst(-side)) * price * core.units[slot.instrument]
    elsewhere = worth_elsewhere(core, slot)
    if core.pairs and (pair := core.pairs.get(slot.key)) is not None:
        elsewhere = max(elsewhere, worth_elsewhere(core, pair.other(slot)))
    return check_account(gate.max_exposure, worst + elsewhere)


def worth_elsewhere(core: Core, slot: Slot) -> int:
    """Worst-side worth of every other slot of the account, at the reference prices."""
    own = core.tally.entries.get(slot.key, NONE).gross
    return worth(core, f"account:{slot.account}") - own * unit_worth(core, slot.instrument)


def check(core: Core, slot: Slot, side: int, qty: int, price: int, now: Exposure) -> Veto | None:
    """Hold an order of `qty` that adds risk beside `now` against everything that is larger than its slot."""
    found = limits_of(core, slot)
    if found is None:
        return Veto(Reason.LIMIT_MISSING, slot.instrument)
    limits = found.wide
    seen = measure(core, slot, limits, side, qty, price, now)
    veto = check_wide(limits, seen)
    if veto is None and seen.opens and seen.positions == limits.warn_positions:
        core.alert(
            Severity.WARNING,
            "open_positions",
            f"{seen.positions} positions are open or about to be; at {limits.positions} nothing new is opened. "
            "See /positions.",
        )
    return veto


def measure(core: Core, slot: Slot, limits: WideLimits, side: int, qty: int, price: int, now: Exposure) -> Measured:
    """What an order leads to. `price` values its slot, the reference prices everything else."""
    count(core)
    tally, own_unit = core.tally, price * core.units[slot.instrument]
    before = tally.entries.get(slot.key, NONE)
    held_unit = unit_worth(core, slot.instrument)
    long = max(0, now.worst(1) + (qty if side > 0 else 0))
    short = max(0, now.worst(-1) + (qty if side < 0 else 0))
    one, one_before = (long, before.long) if side > 0 else (short, before.short)
    sums = tally.longs if side > 0 else tally.shorts
    base, alike = core.assets[slot.instrument]
    asset = sum([sums.get(name, 0) * unit_worth(core, name) for name in alike])
    gross, gross_before = max(long, short), before.gross
    change = gross * own_unit - gross_before * held_unit
    venue, account = venue_of(slot.account), slot.account
    whole = worth(core, PORTFOLIO)
    in_account = whole if len(core.state.accounts) == 1 else worth(core, f"account:{account}")
    opens = not (before.long or before.short)
    position = core.state.accounts[account].positions.get(slot.instrument)
    adds = position is not None and position.qty * side > 0
    owner = core.state.strategies.get(slot.owner)
    return Measured(
        asset=base,
        asset_worth=asset - one_before * held_unit + one * own_unit,
        asset_grows=one > one_before,
        gross_grows=gross > gross_before,
        equity=sum([equity(core, name) for name in core.state.accounts]),
        gross=whole + change,
        venue_gross=-1 if limits.venue_exposure is None else worth(core, f"venue:{venue}") + change,
        strategy_gross=-1 if limits.strategy_exposure is None else worth(core, f"strategy:{slot.owner}") + change,
        account_equity=equity(core, account),
        account_gross=in_account + change,
        account_maintenance=maintenance(core, account) + change * core.maintenance[slot.instrument] // PPM,
        opens=opens,
        positions=tally.open.get(PORTFOLIO, 0) + opens,
        venue_positions=tally.open.get(f"venue:{venue}", 0) + opens,
        strategy_positions=tally.open.get(f"strategy:{slot.owner}", 0) + opens,
        book=book_worth(core, slot.instrument, limits.min_book),
        age_ns=core.state.ts_ns - position.opened_ns if adds and position is not None and limits.age_ns else 0,
        losses=owner.losses_in_a_row if owner is not None else 0,
    )


def maintenance(core: Core, account: str) -> int:
    """Maintenance margin of everything an account holds or may come to hold."""
    held = core.tally.gross.get(f"account:{account}") or {}
    rates = core.maintenance
    return sum([qty * unit_worth(core, name) * rates[name] for name, qty in held.items()]) // PPM


def book_worth(core: Core, instrument: str, enough: int) -> int:
    """Worth of the thinner side of the book, counted no further than `enough`; -1 = no book is known.

    Of a touch alone more than it shows is not known: it is judged only where it is enough.
    """
    market, unit = core.markets[instrument], core.units[instrument]
    thinner = enough
    for levels in (market.bids, market.asks):
        found = 0
        for price, qty in levels:
            found += price * qty * unit
            if found >= enough:
                break
        thinner = min(thinner, found)
    return thinner if market.bids or market.asks else -1


def own_prices_elsewhere(core: Core, slot: Slot) -> tuple[int, int]:
    """Our best bid and ask resting in the slot's contract on the other accounts of the venue; 0 = none."""
    count(core)
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
    bid, ask = own_prices_elsewhere(core, slot)
    market, step = core.markets[slot.instrument], core.instruments[slot.instrument].price_step(price)
    if side > 0 and ask and market.ask and market.ask < ask <= price:
        return max(market.ask, ask - step)
    if side < 0 and bid and market.bid > bid >= price:
        return min(market.bid, bid + step)
    return price
