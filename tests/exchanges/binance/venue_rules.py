"""What the local Binance lists, charges and refuses with: symbols, limits, weights, error codes."""

from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from domain.events import Rejected
from domain.instrument import Instrument
from domain.verdict import Reason
from exchanges.binance.markets import ExchangeInfo, listed

MS = 1_000_000
MAKER, TAKER = Decimal("0.00018"), Decimal("0.00045")
API_KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
WEIGHT_A_MINUTE = 2_400
WEIGHTS = {"openOrders": 40, "openAlgoOrders": 40, "userTrades": 5, "positionRisk": 5, "income": 30, "exchangeInfo": 1,
           "commissionRate": 20, "symbolConfig": 5, "accountConfig": 5, "batchOrders": 5, "klines": 5, "depth": 20,
           "aggTrades": 20, "countdownCancelAll": 10, "allAlgoOrders": 5}  # fmt: skip


POST_ONLY = "Due to the order could not be executed as maker, the Post Only order will be rejected."
SAID = (
    ("insufficient margin", -2019, "Margin is insufficient."),
    ("post-only", -5022, POST_ONLY),
    ("reduce-only", -2022, "ReduceOnly Order is rejected."),
)


class Refusal(Exception):
    """What the venue answers instead."""

    def __init__(self, code: int, msg: str, status: int = 400) -> None:
        super().__init__(msg)
        self.code, self.msg, self.status = code, msg, status


def symbol(base: str, tick: str, step: str, precision: tuple[int, int], notional: str) -> dict[str, Any]:
    return {
        "symbol": f"{base}USDT", "pair": f"{base}USDT", "contractType": "PERPETUAL", "deliveryDate": 4133404800000,
        "onboardDate": 1569398400000, "status": "TRADING", "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000", "baseAsset": base, "quoteAsset": "USDT", "marginAsset": "USDT",
        "pricePrecision": precision[0], "quantityPrecision": precision[1], "baseAssetPrecision": 8,
        "quotePrecision": 8, "underlyingType": "COIN", "underlyingSubType": ["PoW"], "settlePlan": 0,
        "triggerProtect": "0.0500", "liquidationFee": "0.012500", "marketTakeBound": "0.05",
        "filters": [
            {"filterType": "PRICE_FILTER", "maxPrice": "4529764", "minPrice": tick, "tickSize": tick},
            {"filterType": "LOT_SIZE", "maxQty": "2000", "minQty": step, "stepSize": step},
            {"filterType": "MARKET_LOT_SIZE", "maxQty": "120", "minQty": step, "stepSize": step},
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": 10},
            {"filterType": "MIN_NOTIONAL", "notional": notional},
            {"filterType": "PERCENT_PRICE", "multiplierUp": "1.0500", "multiplierDown": "0.9500",
             "multiplierDecimal": "4"},
        ],
        "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET",
                       "TRAILING_STOP_MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    }  # fmt: skip


QUARTER = {
    **symbol("BTC", "0.1", "0.001", (1, 3), "100"),
    "symbol": "BTCUSDT_261225",
    "contractType": "CURRENT_QUARTER",
    "deliveryDate": 1_798_156_800_000,
}
SYMBOLS = [
    symbol("BTC", "0.10", "0.001", (2, 3), "100"),
    symbol("ETH", "0.01", "0.001", (2, 3), "20"),
    {**symbol("OLD", "0.01", "0.1", (2, 1), "5"), "status": "SETTLING"},
    QUARTER,
]
RATE_LIMITS = [
    {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": WEIGHT_A_MINUTE},
    {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1_200},
    {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300},
]


def exchange_info(server_ms: int) -> dict[str, Any]:
    assets = [{"asset": "USDT", "marginAvailable": True, "autoAssetExchange": "-10000"}]
    return {
        "timezone": "UTC", "serverTime": server_ms, "futuresType": "U_MARGINED", "rateLimits": RATE_LIMITS,
        "exchangeFilters": [], "assets": assets, "symbols": SYMBOLS,
    }  # fmt: skip


def instruments() -> list[Instrument]:
    """The contracts, with the fees of the one account there is."""
    import msgspec

    info = msgspec.convert(exchange_info(0), ExchangeInfo)
    return [replace(each, maker_fee=MAKER, taker_fee=TAKER) for each in listed(info)]


def words(refused: Rejected, instrument: Instrument) -> Refusal:
    """The venue's code and words for what our matching engine has refused."""
    if refused.reason is Reason.MIN_NOTIONAL:
        least = f"{instrument.min_notional:f}"
        return Refusal(-4164, f"Order's notional must be no smaller than {least} (unless you choose reduce only).")
    if refused.reason is Reason.DUPLICATE:
        return Refusal(-4116, "ClientOrderId is duplicated.")
    for start, code, text in SAID:
        if refused.text.startswith(start):
            return Refusal(code, text)
    return Refusal(-2010, refused.text)
