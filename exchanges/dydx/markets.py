"""dYdX's contracts: their scales, and their fees and limits as the chain has them now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from msgspec import Struct, field
from msgspec.structs import replace

from domain.errors import DataError, Unrepresentable, VenueError
from domain.instrument import Instrument
from exchanges.dydx.http import Reader
from exchanges.dydx.wire import WireMarket, WireMarkets

PPM = Decimal(1_000_000)
USDC = Decimal("0.000001")
ACTIVE = "ACTIVE"


class Market(Struct, frozen=True):
    """A contract, and how the chain counts it: quantums a lot and subticks a tick."""

    instrument: Instrument
    ticker: str
    pair: int
    step_quantums: int
    tick_subticks: int

    def quantums(self, qty: int) -> int:
        """A quantity as the chain counts it. Raises `Unrepresentable` for less than a step or a part of one."""
        lots, rest = divmod(qty, self.instrument.lot)
        if rest or lots < 1:
            text = self.instrument.qty_text(qty)
            raise Unrepresentable(f"{self.instrument.id}: dYdX takes no size of {text}: it is no multiple of the step")
        return lots * self.step_quantums

    def subticks(self, price: int) -> int:
        """A price as the chain counts it. Raises `Unrepresentable` for what is off the grid."""
        ticks, rest = divmod(price, self.instrument.tick)
        if rest or ticks < 1:
            text = self.instrument.price_text(price)
            raise Unrepresentable(f"{self.instrument.id}: dYdX takes no price of {text}: it is no multiple of the tick")
        return ticks * self.tick_subticks


class FeeTier(Struct):
    """Parts per million; a maker's may be negative."""

    maker_fee_ppm: int = 0
    taker_fee_ppm: int = 0


class UserFeeTier(Struct):
    """What one address pays."""

    tier: FeeTier


class FeeTiers(Struct):
    """All tiers, the newcomers' first."""

    tiers: list[FeeTier]


class FeeParams(Struct):
    """The envelope."""

    params: FeeTiers


class BlockLimit(Struct):
    """So many in so many blocks."""

    num_blocks: int
    limit: int


class BlockRate(Struct):
    """What the chain takes of one account."""

    max_stateful_orders_per_n_blocks: list[BlockLimit] = field(default_factory=list)
    max_short_term_orders_and_cancels_per_n_blocks: list[BlockLimit] = field(default_factory=list)


class BlockRateAnswer(Struct):
    """The envelope."""

    block_rate_limit_config: BlockRate


class EquityTier(Struct):
    """So many open stateful orders from so much equity on, in millionths of a dollar."""

    usd_tnc_required: str
    limit: int


class EquityTiers(Struct):
    """Rising."""

    stateful_order_equity_tiers: list[EquityTier] = field(default_factory=list)


class EquityTierAnswer(Struct):
    """The envelope."""

    equity_tier_limit_config: EquityTiers


class Limits(Struct, frozen=True):
    """How many orders the chain takes: by block, and open at once by equity."""

    stateful: tuple[BlockLimit, ...]
    short_term: tuple[BlockLimit, ...]
    tiers: tuple[tuple[Decimal, int], ...]

    def open_orders(self, equity: Decimal) -> int:
        """How many stateful orders may be open at once."""
        return max((limit for needed, limit in self.tiers if needed <= equity), default=0)


def market_of(wire: WireMarket, fees: FeeTier) -> Market:
    """A contract as the indexer tells it. Raises `DataError` for one that makes no sense."""
    price_decimals, tick = _scale(wire.tick_size)
    qty_decimals, lot = _scale(wire.step_size)
    base = wire.ticker.partition("-")[0]
    exact = wire.step_size.scaleb(-wire.atomic_resolution) == wire.step_base_quantums
    if not exact or wire.subticks_per_tick < 1:
        raise DataError(f"{wire.ticker}: the step of {wire.step_size} is not {wire.step_base_quantums} base quantums")
    try:
        instrument = Instrument(
            id=f"{base}-USDC-PERP.DYDX",
            venue_symbol=wire.ticker,
            price_decimals=price_decimals,
            qty_decimals=qty_decimals,
            tick=tick,
            lot=lot,
            min_qty=lot,
            maker_fee=fees.maker_fee_ppm / PPM,
            taker_fee=fees.taker_fee_ppm / PPM,
            initial_margin=wire.initial_margin_fraction,
            maintenance_margin=wire.maintenance_margin_fraction,
            aliases=(base,),
            amends=False,
            reduces_at_rest=False,
        )
    except Unrepresentable as error:
        raise DataError(f"{wire.ticker}: {error}") from error
    return Market(instrument, wire.ticker, int(wire.clob_pair_id), wire.step_base_quantums, wire.subticks_per_tick)


def _scale(step: Decimal) -> tuple[int, int]:
    """Decimals, and the step as an integer of that scale."""
    if not step.is_finite() or step <= 0:
        raise DataError(f"dYdX sent a step of {step}")
    exponent = step.normalize().as_tuple().exponent
    decimals = max(0, -int(exponent))
    return decimals, int(step.scaleb(decimals))


async def read_markets(reader: Reader, address: str = "") -> list[Market]:
    """Every active perpetual, with the fees of an address or a newcomer's. Raises `VenueError`, `DataError`."""
    if address:
        fees = (await reader.node("dydxprotocol/v4/feetiers/user_fee_tier", UserFeeTier, user=address)).tier
    else:
        tiers = (await reader.node("dydxprotocol/v4/feetiers/perpetual_fee_params", FeeParams)).params.tiers
        if not tiers:
            raise VenueError("dYdX tells of no fee tiers")
        fees = tiers[0]
    markets = (await reader.indexer("perpetualMarkets", WireMarkets)).markets
    return [market_of(wire, fees) for wire in active(markets.values())]


def active(markets: Iterable[WireMarket]) -> Iterator[WireMarket]:
    """Those that are traded, without names that are of no use in an instrument id (of three parts, of addresses)."""
    for wire in markets:
        base, _, quote = wire.ticker.partition("-")
        if wire.status == ACTIVE and quote == "USD" and base.isascii() and base.isalnum():
            yield wire


async def read_limits(reader: Reader) -> Limits:
    """The chain's limits, which its governance may change. Raises `VenueError`, `DataError`."""
    rate = (await reader.node("dydxprotocol/clob/block_rate", BlockRateAnswer)).block_rate_limit_config
    tiers = (await reader.node("dydxprotocol/clob/equity_tier", EquityTierAnswer)).equity_tier_limit_config
    return Limits(
        tuple(rate.max_stateful_orders_per_n_blocks),
        tuple(rate.max_short_term_orders_and_cancels_per_n_blocks),
        tuple((Decimal(tier.usd_tnc_required) * USDC, tier.limit) for tier in tiers.stateful_order_equity_tiers),
    )


def with_instruments(markets: Iterable[Market], instruments: Iterable[Instrument]) -> list[Market]:
    """The markets, with those instruments in the place of their own that are given."""
    given = {instrument.venue_symbol: instrument for instrument in instruments}
    return [replace(market, instrument=given.get(market.ticker, market.instrument)) for market in markets]
