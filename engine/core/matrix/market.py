"""One symbol's own breakers: volatility after the LULD pattern, spread, age and gaps of its feed.

Looked at once a second of event time at most, by integers alone while all is well. The band of the volatility pause is
5 % around the mean price of five minutes for the assets that the rule names, 10 % for the others; a price that stays
outside of it for 15 s pauses that symbol for five minutes.
"""

from __future__ import annotations

from decimal import Decimal

from domain.breakers import Watch
from domain.instrument import ZERO, InstrumentId
from domain.market import SILENT, FeedState
from engine.core.core import Core
from engine.core.matrix.judge import measured
from engine.core.matrix.table import figure, key_of, threshold_of
from engine.core.state import Market
from risk import measures
from risk.breaker import Breaker, BreakerState

LOOK_NS = 1_000_000_000
KEEP_NS = 5_000_000_000
"""How far apart the prices are of which the mean is taken."""
PPM = 1_000_000
CLOSED = BreakerState.CLOSED


def look(core: Core, instrument: InstrumentId, market: Market) -> None:
    """A price has come and it is time to look."""
    market.look_ns = core.state.ts_ns + LOOK_NS
    rules = core.state.settings.breakers
    if rules.volatility is not None:
        keep_price(core, instrument, market, rules.volatility.window_ns)
        look_at(core, Watch.VOLATILITY, instrument)
    if rules.spread is not None:
        look_at(core, Watch.SPREAD, instrument)
    for watch in (Watch.FEED_AGE, Watch.DATA_GAP):
        breaker = core.state.matrix.get(key_of(watch, instrument))
        if breaker is not None and not is_quiet(breaker):
            look_at(core, watch, instrument)


def keep_price(core: Core, instrument: InstrumentId, market: Market, window_ns: int) -> None:
    """Keep a price now and then, and forget those that have left the window."""
    now_ns, price = core.state.ts_ns, market.reference()
    kept = core.state.samples_of.setdefault(key_of(Watch.VOLATILITY, instrument), [])
    if price > 0 and (not kept or now_ns - kept[-1][0] >= KEEP_NS):
        measures.since(kept, now_ns - window_ns)
        kept.append((now_ns, price, 1))
        set_band(core, instrument, market, kept)


def set_band(core: Core, instrument: InstrumentId, market: Market, kept: list[measures.Sample]) -> None:
    """Around the mean of what was kept: the gate goes by it at once, long before a price that stays outside pauses."""
    market.floor = market.ceiling = 0
    if len(kept) >= measures.LEAST_PRICES:
        mean = sum([value for _, value, _ in kept]) // len(kept)
        band = int(threshold_of(core.state.settings.breakers, key_of(Watch.VOLATILITY, instrument)) * mean)
        market.floor, market.ceiling = mean - band, mean + band


def is_quiet(breaker: Breaker | None) -> bool:
    """Whether a breaker is closed and its measure below the threshold."""
    return breaker is None or (breaker.state is CLOSED and not breaker.beyond_ns)


def look_at(core: Core, watch: Watch, instrument: InstrumentId) -> None:
    """Judge one measure of a symbol now."""
    market, key = core.markets.get(instrument), key_of(watch, instrument)
    if market is None:
        return
    match watch:
        case Watch.VOLATILITY:
            kept = core.state.samples_of.get(key, [])
            if is_quiet(core.state.matrix.get(key)) and is_inside(core, key, market.reference(), kept):
                return
            value = measures.distance(market.reference(), kept)
            text = "the price is {} away from its mean of 5 min"
        case Watch.SPREAD:
            wide_ppm = int(threshold_of(core.state.settings.breakers, key) * PPM)
            is_wide = 2 * (market.ask - market.bid) * PPM >= wide_ppm * (market.ask + market.bid)
            if is_quiet(core.state.matrix.get(key)) and not (market.bid and market.ask and is_wide):
                return
            value = measures.spread(market.bid, market.ask)
            text = "bid and ask are {} apart"
        case Watch.FEED_AGE:
            value = age(core, market)
            text = "the last price is {} old"
        case _:
            value = Decimal(1) if market.feed is FeedState.GAP else ZERO
            text = "its feed has a gap"
    measured(core, watch, instrument, value, text.format(figure(watch, value)) if value is not None else "")


def is_inside(core: Core, key: str, price: int, kept: list[measures.Sample]) -> bool:
    """Whether a price is inside of the band around its mean, by integers."""
    if len(kept) < measures.LEAST_PRICES or price <= 0:
        return True
    total = sum([value for _, value, _ in kept])
    band_ppm = int(threshold_of(core.state.settings.breakers, key) * PPM)
    return abs(price * len(kept) - total) * PPM < band_ppm * total


def age(core: Core, market: Market) -> Decimal:
    """Seconds since the last price while the feed is said to be silent, else 0."""
    if market.feed not in SILENT or not market.ts_ns:
        return ZERO
    return Decimal(core.state.ts_ns - market.ts_ns) / 1_000_000_000


def on_feed(core: Core, instrument: InstrumentId, state: FeedState) -> None:
    """A feed has changed its state."""
    rules = core.state.settings.breakers
    if state is FeedState.GAP and rules.data_gap is not None:
        look_at(core, Watch.DATA_GAP, instrument)
    if state in SILENT and rules.feed_age is not None:
        look_at(core, Watch.FEED_AGE, instrument)


def look_at_silence(core: Core) -> None:
    """Feeds that are silent get older without an event of theirs."""
    if core.state.settings.breakers.feed_age is not None:
        for instrument, market in core.markets.items():
            if market.feed in SILENT and market.ts_ns:
                look_at(core, Watch.FEED_AGE, instrument)
