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
from engine.core.matrix.table import figure, key_of
from engine.core.parts import Symbol
from engine.core.state import Market
from risk import measures
from risk.breaker import Breaker, BreakerState
from risk.gate import PPM

LOOK_NS = 1_000_000_000
KEEP_NS = 5_000_000_000
"""How far apart the prices are of which the mean is taken."""
CLOSED = BreakerState.CLOSED
_OF_FEED = (Watch.FEED_AGE, Watch.DATA_GAP)


def look(core: Core, instrument: InstrumentId, market: Market) -> None:
    """A price has come and it is time to look: by integers, and no further while all is well."""
    state = core.state
    now_ns = state.ts_ns
    market.look_ns = now_ns + LOOK_NS
    symbol, is_well = core.parts.symbols[instrument], not state.matrix
    if symbol.band_ppm and (price := market.reference()) > 0:
        pause = symbol.keys[0]
        kept = state.samples_of.get(pause)
        if kept is None:
            kept = state.samples_of[pause] = []
        if not kept or now_ns - kept[-1][0] >= KEEP_NS:
            keep(symbol, market, kept, (now_ns, price, 1))
        is_inside = not market.floor or market.floor < price < market.ceiling
        if not is_inside or not (is_well or is_quiet(state.matrix.get(pause))):
            look_at(core, Watch.VOLATILITY, instrument)
    if symbol.wide_ppm and (is_wide(symbol, market) or not (is_well or is_quiet(state.matrix.get(symbol.keys[1])))):
        look_at(core, Watch.SPREAD, instrument)
    if is_well:
        return
    for watch, key in zip(_OF_FEED, symbol.keys[2:], strict=True):
        if key in state.matrix and not is_quiet(state.matrix[key]):
            look_at(core, watch, instrument)


def keep(symbol: Symbol, market: Market, kept: list[measures.Sample], sample: measures.Sample) -> None:
    """Keep a price, forget those that have left the window, and set the band around the mean of what is kept.

    The gate goes by the band at once, long before a price that stays outside of it pauses the symbol.
    """
    since_ns = sample[0] - symbol.window_ns
    while kept and kept[0][0] < since_ns:
        del kept[0]
    measures.keep(kept, sample)
    market.floor = market.ceiling = 0
    if len(kept) >= measures.LEAST_PRICES:
        mean = sum([value for _, value, _ in kept]) // len(kept)
        band = mean * symbol.band_ppm // PPM
        market.floor, market.ceiling = mean - band, mean + band


def is_wide(symbol: Symbol, market: Market) -> bool:
    """Whether bid and ask are further apart than they may be."""
    bid, ask = market.bid, market.ask
    return bid > 0 and ask > 0 and 2 * (ask - bid) * PPM >= symbol.wide_ppm * (ask + bid)


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
            value = measures.distance(market.reference(), core.state.samples_of.get(key, []))
            text = f"the price is {{}} away from its mean of {core.parts.symbols[instrument].window_ns / 60e9:g} min"
        case Watch.SPREAD:
            value = measures.spread(market.bid, market.ask)
            text = "bid and ask are {} apart"
        case Watch.FEED_AGE:
            value = age(core, market)
            text = "the last price is {} old"
        case _:
            value = Decimal(1) if market.feed is FeedState.GAP else ZERO
            text = "its feed has a gap"
    measured(core, watch, instrument, value, text.format(figure(watch, value)) if value is not None else "")


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
