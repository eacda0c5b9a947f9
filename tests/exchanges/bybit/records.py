"""Orders as the local Bybit keeps them, and its words for orders, executions, positions and wallets."""

import uuid
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from domain.events import Filled, FundingPaid, VenuePosition
from domain.instrument import ZERO, Instrument
from domain.order import Liquidity, OrderKind, Place

MS = 1_000_000
OPEN = {"New", "PartiallyFilled", "Untriggered"}
KINDS = {OrderKind.STOP: "Stop", OrderKind.TAKE_PROFIT: "TakeProfit"}


def uid(number: int) -> str:
    """An id that looks like the venue's."""
    return str(uuid.UUID(int=number, version=4))


def side(sign: int) -> str:
    """The venue's word for a side."""
    return "Buy" if sign > 0 else "Sell"


@dataclass
class Rec:
    """One order. `asked` is the request that made it; `price`, `qty` and `trigger` follow amendments."""

    order_id: str
    user: str
    instrument: Instrument
    asked: dict[str, Any]
    place: Place
    price: int
    qty: int
    trigger: int
    made_ms: int
    updated_ms: int
    status: str = "New"
    filled: int = 0
    value: Decimal = ZERO
    fee: Decimal = ZERO
    reject: str = "EC_NoError"
    cancel: str = "UNKNOWN"

    @property
    def link_id(self) -> str:
        """The client's own id; empty where it gave none."""
        return str(self.asked.get("orderLinkId", ""))

    def order(self) -> dict[str, Any]:
        """As the streams and the questions tell it."""
        i, left = self.instrument, (self.qty - self.filled if self.status in OPEN else 0)
        is_market = self.asked["orderType"] == "Market"
        average = f"{self.value / Decimal(i.qty_text(self.filled)):.8f}".rstrip("0").rstrip(".") if self.filled else ""
        return {
            "category": "linear",
            "symbol": i.venue_symbol,
            "orderId": self.order_id,
            "orderLinkId": self.link_id,
            "blockTradeId": "",
            "side": side(self.place.side),
            "positionIdx": 0,
            "orderStatus": self.status,
            "cancelType": self.cancel,
            "rejectReason": self.reject,
            "timeInForce": "IOC" if is_market else self.asked.get("timeInForce", "GTC"),
            "isLeverage": "",
            "price": "0" if is_market else i.price_text(self.price),
            "qty": i.qty_text(self.qty),
            "avgPrice": average,
            "leavesQty": i.qty_text(left),
            "leavesValue": f"{i.notional(self.price, left):f}",
            "cumExecQty": i.qty_text(self.filled),
            "cumExecValue": f"{self.value:f}",
            "cumExecFee": f"{self.fee:f}",
            "orderType": self.asked["orderType"],
            "stopOrderType": "Stop" if self.trigger else "",
            "orderIv": "",
            "triggerPrice": i.price_text(self.trigger) if self.trigger else "",
            "takeProfit": "",
            "stopLoss": "",
            "triggerBy": self.asked.get("triggerBy", "LastPrice") if self.trigger else "",
            "tpTriggerBy": "",
            "slTriggerBy": "",
            "triggerDirection": int(self.asked.get("triggerDirection", 0)),
            "placeType": "",
            "lastPriceOnCreated": "",
            "closeOnTrigger": bool(self.asked.get("closeOnTrigger", False)),
            "reduceOnly": self.place.reduce_only,
            "smpGroup": 0,
            "smpType": self.asked.get("smpType", "None"),
            "smpOrderId": "",
            "tpslMode": "",
            "createdTime": str(self.made_ms),
            "updatedTime": str(self.updated_ms),
            "feeCurrency": "",
        }

    def execution(self, fill: Filled, number: int) -> dict[str, Any]:
        """One fill of it."""
        i = self.instrument
        is_maker = fill.liquidity is Liquidity.MAKER
        return {
            "category": "linear",
            "symbol": i.venue_symbol,
            "execFee": f"{fill.fee:f}",
            "execId": uid(number),
            "execPrice": i.price_text(fill.price),
            "execQty": i.qty_text(fill.qty),
            "execType": "BustTrade" if fill.liquidation else "Trade",
            "execValue": f"{i.notional(fill.price, fill.qty):f}",
            "isMaker": is_maker,
            "feeRate": f"{i.maker_fee if is_maker else i.taker_fee:f}",
            "tradeIv": "",
            "markIv": "",
            "blockTradeId": "",
            "markPrice": i.price_text(fill.price),
            "indexPrice": "",
            "underlyingPrice": "",
            "leavesQty": i.qty_text(self.qty - self.filled),
            "orderId": self.order_id,
            "orderLinkId": self.link_id,
            "orderPrice": i.price_text(self.price),
            "orderQty": i.qty_text(self.qty),
            "orderType": self.asked["orderType"],
            "stopOrderType": "Stop" if self.trigger else "UNKNOWN",
            "side": side(fill.side),
            "execTime": str(fill.venue_ts_ns // MS),
            "isLeverage": "0",
            "closedSize": "",
            "seq": number,
        }


def funding(paid: FundingPaid, instrument: Instrument, held: int, number: int) -> dict[str, Any]:
    """A payment of funding, which is an execution there; `execFee` is what the account pays."""
    return {
        "category": "linear",
        "symbol": instrument.venue_symbol,
        "execFee": f"{-paid.amount:f}",
        "execId": uid(number),
        "execPrice": "0",
        "execQty": instrument.qty_text(abs(held)),
        "execType": "Funding",
        "execValue": "0",
        "isMaker": False,
        "feeRate": "0.0001",
        "leavesQty": "0",
        "orderId": uid(number),
        "orderLinkId": "",
        "orderPrice": "0",
        "orderQty": "0",
        "orderType": "UNKNOWN",
        "stopOrderType": "UNKNOWN",
        "side": side(held),
        "execTime": str(paid.venue_ts_ns // MS),
        "seq": number,
    }


def position(
    instrument: Instrument, held: VenuePosition | None, mark: int, leverage: str, number: int, now_ms: int
) -> dict[str, Any]:
    """A position, or that there is none (size 0)."""
    qty = held.qty if held is not None else 0
    entry = held.entry_value if held is not None else ZERO
    average = abs(entry / Decimal(instrument.qty_text(qty))) if qty else ZERO
    return {
        "positionIdx": 0,
        "riskId": 1,
        "riskLimitValue": "2000000",
        "symbol": instrument.venue_symbol,
        "side": side(qty) if qty else "",
        "size": instrument.qty_text(abs(qty)),
        "avgPrice": f"{average:.8f}".rstrip("0").rstrip("."),
        "positionValue": f"{abs(entry):f}" if qty else "",
        "tradeMode": 0,
        "positionStatus": "Normal",
        "autoAddMargin": 0,
        "adlRankIndicator": 2 if qty else 0,
        "leverage": leverage,
        "positionBalance": "0",
        "markPrice": instrument.price_text(mark),
        "liqPrice": "",
        "bustPrice": "",
        "positionMM": "0",
        "positionIM": "0",
        "tpslMode": "Full",
        "takeProfit": "",
        "stopLoss": "",
        "trailingStop": "0",
        "unrealisedPnl": f"{instrument.notional(mark, qty) - entry:f}" if qty else "",
        "curRealisedPnl": "0",
        "cumRealisedPnl": "0",
        "seq": number,
        "isReduceOnly": False,
        "mmrSysUpdateTime": "",
        "leverageSysUpdatedTime": "",
        "sessionAvgPrice": "",
        "createdTime": "1676538056258",
        "updatedTime": str(now_ms),
    }


def wallet(cash: Decimal, equity: Decimal) -> dict[str, Any]:
    """The unified account: one coin, USDT."""
    money = {"equity": f"{equity:f}", "walletBalance": f"{cash:f}", "usdValue": f"{equity:f}"}
    nothing = dict.fromkeys(
        ("availableToWithdraw", "availableToBorrow", "borrowAmount", "accruedInterest", "totalOrderIM"), "0"
    )
    coin = {
        "coin": "USDT",
        **money,
        **nothing,
        "totalPositionIM": "0",
        "totalPositionMM": "0",
        "unrealisedPnl": f"{equity - cash:f}",
        "cumRealisedPnl": "0",
        "bonus": "0",
        "collateralSwitch": True,
        "marginCollateral": True,
        "locked": "0",
        "spotHedgingQty": "0",
    }
    return {
        "accountType": "UNIFIED",
        "totalEquity": f"{equity:f}",
        "totalWalletBalance": f"{cash:f}",
        "totalMarginBalance": f"{equity:f}",
        "totalAvailableBalance": f"{equity:f}",
        "totalPerpUPL": f"{equity - cash:f}",
        "totalInitialMargin": "0",
        "totalMaintenanceMargin": "0",
        "accountIMRate": "0",
        "accountMMRate": "0",
        "accountLTV": "0",
        "coin": [coin],
    }
