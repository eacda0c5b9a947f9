"""What the local Bybit lists, and who may trade there: contracts, fees and API keys, as the venue tells them.

The numbers of BTCUSDT are the venue's, but for the quantity step, which is finer than there.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from domain.instrument import Instrument

HOUR_NS = 3_600_000_000_000
USER = "24617703"
KEY, SECRET = "local-trade-key", "local-trade-secret"
WITHDRAWER, READER = "local-withdraw-key", "local-read-key"


def contract(base: str, price_decimals: int, qty_decimals: int, most: int) -> Instrument:
    """One linear perpetual with Bybit's usual fees, 100 times leverage at most, and 5 USDT at least."""
    return Instrument(
        id=f"{base}-USDT-PERP.BYBIT",
        venue_symbol=f"{base}USDT",
        price_decimals=price_decimals,
        qty_decimals=qty_decimals,
        max_qty=most * 10**qty_decimals,
        min_notional=Decimal(5),
        maker_fee=Decimal("0.0002"),
        taker_fee=Decimal("0.00055"),
        initial_margin=Decimal("0.01"),
        maintenance_margin=Decimal("0.005"),
        funding_interval_ns=8 * HOUR_NS,
    )


BTC = contract("BTC", 1, 4, 1190)
ETH = contract("ETH", 2, 2, 7240)
DOGE = contract("DOGE", 5, 0, 20_000_000)
CONTRACTS = [BTC, ETH, DOGE]


def info(instrument: Instrument) -> dict[str, Any]:
    """A contract as GET /v5/market/instruments-info tells it."""
    tick = instrument.price_text(instrument.tick)
    highest = f"{1 / instrument.initial_margin:.2f}"
    step = instrument.qty_text(instrument.lot)
    most = instrument.qty_text(instrument.max_qty)
    return {
        "symbol": instrument.venue_symbol,
        "contractType": "LinearPerpetual",
        "status": "Trading",
        "baseCoin": instrument.base,
        "quoteCoin": instrument.quote,
        "launchTime": "1585526400000",
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceScale": str(instrument.price_decimals),
        "leverageFilter": {"minLeverage": "1", "maxLeverage": highest, "leverageStep": "0.01"},
        "priceFilter": {"minPrice": tick, "maxPrice": "1999999.80", "tickSize": tick},
        "lotSizeFilter": {
            "maxOrderQty": most,
            "maxMktOrderQty": most,
            "minOrderQty": instrument.qty_text(instrument.min_qty),
            "qtyStep": step,
            "postOnlyMaxOrderQty": most,
            "minNotionalValue": f"{instrument.min_notional:f}",
        },
        "unifiedMarginTrade": True,
        "fundingInterval": instrument.funding_interval_ns // 60_000_000_000,
        "settleCoin": instrument.quote,
        "copyTrading": "both",
        "upperFundingRate": "0.00375",
        "lowerFundingRate": "-0.00375",
    }  # fmt: skip


def tiers(instrument: Instrument) -> list[dict[str, Any]]:
    """The risk tiers of a contract as GET /v5/market/risk-limit tells them."""
    return [
        {
            "id": number,
            "symbol": instrument.venue_symbol,
            "riskLimitValue": str(2_000_000 * number),
            "maintenanceMargin": f"{instrument.maintenance_margin * number:f}",
            "initialMargin": f"{instrument.initial_margin * number:f}",
            "isLowestRisk": int(number == 1),
            "maxLeverage": f"{1 / instrument.initial_margin / number:.2f}",
            "mmDeduction": "",
        }
        for number in (1, 2)
    ]


@dataclass
class ApiKey:
    """One key of a user, with what it may do."""

    secret: str
    user: str = USER
    read_only: bool = False
    unified: bool = True
    permissions: dict[str, list[str]] = field(
        default_factory=lambda: {"ContractTrade": ["Order", "Position"], "Wallet": [], "Derivatives": []}
    )

    def tell(self, key: str) -> dict[str, Any]:
        """As GET /v5/user/query-api tells it."""
        usual: dict[str, list[str]] = {name: [] for name in ("Spot", "Options", "CopyTrading", "BlockTrade", "NFT")}
        return {
            "id": "13770661",
            "note": "local",
            "apiKey": key,
            "readOnly": int(self.read_only),
            "secret": "",
            "permissions": {**usual, **self.permissions},
            "ips": ["*"],
            "type": 1,
            "deadlineDay": 66,
            "expiredAt": "2033-12-22T07:20:25Z",
            "createdAt": "2022-10-16T02:24:40Z",
            "unified": 0,
            "uta": int(self.unified),
            "userID": int(self.user),
            "inviterID": 0,
            "vipLevel": "No VIP",
            "mktMakerLevel": "0",
            "affiliateID": 0,
            "rsaPublicKey": "",
            "isMaster": True,
            "parentUid": "0",
        }


def keys() -> dict[str, ApiKey]:
    """A key that trades, one that could also withdraw, and one that may only read."""
    wallet = {"ContractTrade": ["Order", "Position"], "Wallet": ["AccountTransfer", "Withdraw"]}
    return {
        KEY: ApiKey(SECRET),
        WITHDRAWER: ApiKey("local-withdraw-secret", permissions=wallet),
        READER: ApiKey("local-read-secret", read_only=True),
    }
