"""What the local Phemex lists: its answer to GET /public/products, and the same contracts for our paper exchange.

Field by field as the venue's docs and ccxt's comments show it. Steps and minimums of BTCUSDT and ETHUSDT are finer and
larger than the venue's own, so that the contract suite can go below a minimum; whoever trades reads them from here.
"""

from decimal import Decimal
from typing import Any

from domain.instrument import Instrument

EP = 100_000_000
"""Ratios of /api-data/futures/fee-rate are scaled by 10**8."""
TAKER_EP, MAKER_EP = 60_000, 10_000


def perpetual(
    symbol: str, base: str, tick: str, step: str, decimals: tuple[int, int], **changes: Any
) -> dict[str, Any]:
    """One entry of perpProductsV2, with `decimals` of price and quantity."""
    quote = changes.pop("quote", "USDT")
    return {
        "symbol": symbol,
        "code": 41_541 + len(symbol),
        "type": "PerpetualV2",
        "displaySymbol": f"{base} / {quote}",
        "indexSymbol": f".{symbol}",
        "markSymbol": f".M{symbol}",
        "fundingRateSymbol": f".{symbol}FR",
        "fundingRate8hSymbol": f".{symbol}FR8H",
        "contractUnderlyingAssets": base,
        "settleCurrency": quote,
        "quoteCurrency": quote,
        "tickSize": tick,
        "priceScale": 0,
        "ratioScale": 0,
        "pricePrecision": decimals[0],
        "baseCurrency": base,
        "description": f"{base}/{quote} perpetual",
        "status": "Listed",
        "tipOrderQty": 0,
        "listTime": 1_668_225_600_000,
        "majorSymbol": True,
        "defaultLeverage": "-10",
        "fundingInterval": 28_800,
        "maxLeverage": 100,
        "leverageMargin": 1,
        "maxOrderQtyRq": "1000",
        "maxPriceRp": "2000000000",
        "minOrderValueRv": "5",
        "minPriceRp": tick,
        "qtyPrecision": decimals[1],
        "qtyStepSize": step,
        "tipOrderQtyRq": "200",
        "maxOpenPosLeverage": 100.0,
        **changes,
    }


PERPETUALS = [
    perpetual("BTCUSDT", "BTC", "0.1", "0.0001", (1, 4)),
    perpetual("ETHUSDT", "ETH", "0.01", "0.001", (2, 3), maxOrderQtyRq="20000"),
    perpetual("u1000PEPEUSDT", "1000 PEPE", "0.0000001", "1", (7, 0), maxOrderQtyRq="90000000", fundingInterval=14_400),
    perpetual("LSKUSDT", "LSK", "0.001", "0.1", (3, 1), status="Delisted"),
    perpetual("BTCUSDC", "BTC", "0.1", "0.001", (1, 3), quote="USDC"),
]
INVERSE = {
    "symbol": "BTCUSD",
    "code": 1,
    "type": "Perpetual",
    "displaySymbol": "BTC / USD",
    "contractUnderlyingAssets": "USD",
    "settleCurrency": "BTC",
    "quoteCurrency": "USD",
    "contractSize": 1.0,
    "lotSize": 1,
    "tickSize": 0.5,
    "priceScale": 4,
    "ratioScale": 8,
    "pricePrecision": 1,
    "minPriceEp": 5_000,
    "maxPriceEp": 10_000_000_000,
    "maxOrderQty": 1_000_000,
    "status": "Listed",
    "fundingInterval": 28_800,
    "maxLeverage": 100,
}
SPOT = {
    "symbol": "sBTCUSDT",
    "code": 1_001,
    "type": "Spot",
    "displaySymbol": "BTC / USDT",
    "quoteCurrency": "USDT",
    "priceScale": 8,
    "ratioScale": 8,
    "pricePrecision": 2,
    "baseCurrency": "BTC",
    "baseTickSize": "0.000001 BTC",
    "baseTickSizeEv": 100,
    "quoteTickSize": "0.01 USDT",
    "quoteTickSizeEv": 1_000_000,
    "minOrderValue": "10 USDT",
    "minOrderValueEv": 1_000_000_000,
    "maxBaseOrderSize": "1000 BTC",
    "maxBaseOrderSizeEv": 100_000_000_000,
    "maxOrderValue": "5,000,000 USDT",
    "maxOrderValueEv": 500_000_000_000_000,
    "defaultTakerFee": "0.001",
    "defaultTakerFeeEr": 100_000,
    "defaultMakerFee": "0.001",
    "defaultMakerFeeEr": 100_000,
    "status": "Listed",
}
CURRENCIES = [
    {"currency": name, "name": name, "code": code, "valueScale": 8, "status": "Listed", "stableCoin": int(code > 2)}
    for code, name in enumerate(("BTC", "USD", "USDT", "ETH", "USDC"), 1)
]
RISK_LIMITS = [
    {
        "symbol": product["symbol"],
        "steps": "2000K",
        "riskLimits": [
            {"limit": 2_000_000, "initialMarginRr": "0.01", "maintenanceMarginRr": "0.005"},
            {"limit": 4_000_000, "initialMarginRr": "0.015", "maintenanceMarginRr": "0.0075"},
        ],
    }
    for product in PERPETUALS
]
MARGINS = [
    {
        "index_id": 1,
        "items": [
            {
                "notionalValueRv": 2_000_000,
                "maxLeverage": 100,
                "maintenanceMarginRateRr": "0.005",
                "maintenanceAmountRv": "0",
            },
            {
                "notionalValueRv": 5_000_000,
                "maxLeverage": 50,
                "maintenanceMarginRateRr": "0.01",
                "maintenanceAmountRv": "10000",
            },
        ],
    }
]


def products() -> dict[str, Any]:
    """The data of GET /public/products."""
    return {
        "currencies": CURRENCIES,
        "products": [INVERSE, SPOT],
        "perpProductsV2": PERPETUALS,
        "riskLimits": [],
        "leverages": [],
        "riskLimitsV2": RISK_LIMITS,
        "leveragesV2": [],
        "leverageMargins": MARGINS,
        "ratioScale": 8,
        "md5Checksum": "5c6604814d3c1bafbe602c3d11a7e8bf",
    }


def fee_rates() -> dict[str, Any]:
    """The data of GET /api-data/futures/fee-rate."""
    rates = [
        {"takerFeeRateEr": TAKER_EP, "makerFeeRateEr": MAKER_EP, "symbol": product["symbol"]} for product in PERPETUALS
    ]
    return {"symbolFeeRates": rates}


def _instrument(product: dict[str, Any]) -> Instrument:
    base = product["baseCurrency"].replace(" ", "")
    return Instrument(
        id=f"{base}-USDT-PERP.PHEMEX",
        venue_symbol=product["symbol"],
        price_decimals=product["pricePrecision"],
        qty_decimals=product["qtyPrecision"],
        min_notional=Decimal(product["minOrderValueRv"]),
        maker_fee=Decimal(MAKER_EP) / EP,
        taker_fee=Decimal(TAKER_EP) / EP,
        initial_margin=Decimal("0.01"),
        maintenance_margin=Decimal("0.005"),
        funding_interval_ns=product["fundingInterval"] * 1_000_000_000,
    )


LISTED = [
    _instrument(product)
    for product in PERPETUALS
    if product["status"] == "Listed" and product["settleCurrency"] == "USDT"
]
"""What trades here, as the paper exchange matches it."""
