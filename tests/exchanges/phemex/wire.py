"""The words of the local Phemex: its error codes, and an order as each of its channels tells it."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from domain.events import Filled
from domain.instrument import ZERO, Instrument
from domain.order import Liquidity, Place

ACCOUNT_ID, USER_ID = 9_328_670_003, 932_867
NO_EXEC = "00000000-0000-0000-0000-000000000000"
NO_ERROR = "No error"
LIVE = {"New", "PartiallyFilled", "Untriggered"}
"""Statuses of an open order."""
CODES = {
    "OM_ORDER_NOT_FOUND": 10_002,
    "TE_NO_ENOUGH_AVAILABLE_BALANCE": 11_001,
    "TE_INVALID_LEVERAGE": 11_004,
    "TE_REDUCE_ONLY_ABORT": 11_011,
    "TE_SYMBOL_INVALID": 11_027,
    "TE_SIDE_INVALID": 11_034,
    "TE_ORD_TYPE_INVALID": 11_035,
    "TE_TIME_IN_FORCE_INVALID": 11_036,
    "TE_RISING_TRIGGER_DIRECTLY": 11_043,
    "TE_FALLING_TRIGGER_DIRECTLY": 11_044,
    "TE_QTY_TOO_LARGE": 11_056,
    "TE_QTY_TOO_SMALL": 11_058,
    "TE_ORD_REPLACE_NOT_MODIFIED": 11_065,
    "TE_ORD_STATUS_CANNOT_REPLACE": 11_066,
    "TE_CL_ORD_ID_DUPLICATE": 11_085,
    "TE_MISSING_ORDER_ID": 11_111,
    "TE_ORDER_VALUE_TOO_SMALL": 11_115,
    "TE_ERR_INCONSISTENT_POS_MODE": 20_004,
    "Please double check input arguments": 30_000,
    "Too many requests.": 39_995,
}
BAD_INPUT = "Please double check input arguments"
WILL_CROSS = 101
"""cxlRejReason CE_WILLCROSS: a passive order that would have taken."""


class RefusedError(Exception):
    """What the venue does not do; `status` is HTTP's."""

    def __init__(self, text: str, status: int = 200, code: int | str | None = None) -> None:
        super().__init__(text)
        self.body = {"code": CODES[text] if code is None else code, "msg": text, "data": None}
        self.status = status


@dataclass
class Rec:
    """One order as the venue knows it. `client_id` is clOrdID as sent, "" if none was; `cid` the paper exchange's."""

    cid: str
    client_id: str
    instrument: Instrument
    place: Place
    wire: dict[str, Any]
    made_ns: int
    id: str
    status: str = "Created"
    qty: int = 0
    price: int = 0
    trigger: int = 0
    filled: int = 0
    value: Decimal = ZERO
    fee: Decimal = ZERO
    closed_ns: int = 0
    changed_ns: int = 0
    reject_code: int = 0

    @property
    def left(self) -> int:
        return self.qty - self.filled if self.status in {*LIVE, "Created"} else 0

    def _numbers(self) -> tuple[str, str, str, str]:
        i = self.instrument
        return i.price_text(self.price), i.qty_text(self.qty), i.qty_text(self.filled), i.qty_text(self.left)

    def order(self, exec_status: str = "", status: str = "") -> dict[str, Any]:
        """As REST's trading paths tell it."""
        price, qty, filled, left = self._numbers()
        rises = (self.place.side > 0) is self.wire["ordType"].startswith("Stop")
        return {
            "bizError": 0,
            "orderID": self.id,
            "clOrdID": self.client_id,
            "symbol": self.instrument.venue_symbol,
            "side": "Buy" if self.place.side > 0 else "Sell",
            "actionTimeNs": self.made_ns,
            "transactTimeNs": self.changed_ns,
            "orderType": self.wire["ordType"],
            "priceRp": price,
            "orderQtyRq": qty,
            "displayQtyRq": qty,
            "timeInForce": self.wire["timeInForce"],
            "reduceOnly": self.place.reduce_only,
            "closedPnlRv": "0",
            "closedSizeRq": "0",
            "cumQtyRq": filled,
            "cumValueRv": f"{self.value:f}",
            "leavesQtyRq": left,
            "leavesValueRv": f"{self.instrument.notional(self.price, self.left):f}",
            "stopDirection": ("Rising" if rises else "Falling") if self.trigger else "UNSPECIFIED",
            "stopPxRp": self.instrument.price_text(self.trigger),
            "trigger": self.wire["triggerType"] if self.trigger else "UNSPECIFIED",
            "pegOffsetValueRp": "0",
            "pegOffsetProportionRr": "0",
            "execStatus": exec_status or ("New" if self.status == "New" else self.status),
            "pegPriceType": "UNSPECIFIED",
            "ordStatus": status or self.status,
            "execInst": "ReduceOnly" if self.place.reduce_only else "None",
            "takeProfitRp": "0",
            "stopLossRp": "0",
        }

    def history(self) -> dict[str, Any]:
        """As /api-data tells it: other names, and no trigger."""
        order = self.order()
        names = ("orderID", "orderType", "clOrdID", "stopPxRp", "trigger", "execStatus", "pegPriceType", "execInst")
        kept = {key: value for key, value in order.items() if key not in names and not key.startswith("peg")}
        return {"orderId": self.id, "clOrdId": self.client_id, "ordType": self.wire["ordType"], **kept}

    def update(self, exec_status: str, fill: Filled | None = None, action: str = "New") -> dict[str, Any]:
        """As aop_p tells it: the order after something that happened to it, which may be a fill."""
        i = self.instrument
        price, qty, filled, left = self._numbers()
        told: dict[str, Any] = {
            "accountID": ACCOUNT_ID,
            "action": action,
            "actionBy": "ByUser",
            "actionTimeNs": self.made_ns,
            "clOrdID": self.client_id,
            "code": 0,
            "cumFeeRv": f"{self.fee:f}",
            "cumQty": filled,
            "cumValueRv": f"{self.value:f}",
            "currency": "USDT",
            "cxlRejReason": self.reject_code,
            "displayQty": qty,
            "execFeeRv": "0",
            "execID": NO_EXEC,
            "execPriceRp": "0",
            "execQty": "0",
            "execSeq": 77_751_555,
            "execStatus": exec_status,
            "execValueRv": "0",
            "feeRateRr": "0",
            "leavesQty": left,
            "leavesValueRv": f"{i.notional(self.price, self.left):f}",
            "message": NO_ERROR,
            "ordStatus": self.status,
            "ordType": self.wire["ordType"],
            "orderID": self.id,
            "orderQty": qty,
            "posSide": "Merged",
            "priceRp": price,
            "side": "Buy" if self.place.side > 0 else "Sell",
            "stopLossRp": "0",
            "stopPxRp": i.price_text(self.trigger),
            "symbol": i.venue_symbol,
            "takeProfitRp": "0",
            "timeInForce": self.wire["timeInForce"],
            "transactTimeNs": self.changed_ns,
            "userID": USER_ID,
        }
        if self.place.reduce_only:
            told["execInst"] = "ReduceOnly"
        if fill is not None:
            told |= self._execution(fill)
        return told

    def _execution(self, fill: Filled) -> dict[str, Any]:
        i, is_maker = self.instrument, fill.liquidity is Liquidity.MAKER
        return {
            "execFeeRv": f"{fill.fee:f}",
            "execID": fill.fill_id,
            "execPriceRp": i.price_text(fill.price),
            "execQty": i.qty_text(fill.qty),
            "execValueRv": f"{i.notional(fill.price, fill.qty):f}",
            "feeRateRr": f"{i.maker_fee if is_maker else i.taker_fee:f}",
            "lastLiquidityInd": "AddedLiquidity" if is_maker else "RemovedLiquidity",
            "tradeType": "LiqTrade" if fill.liquidation else "Trade",
        }

    def trade(self, fill: Filled) -> dict[str, Any]:
        """One row of /api-data/g-futures/trades."""
        done = self._execution(fill)
        return {
            "transactTimeNs": fill.venue_ts_ns,
            "symbol": self.instrument.venue_symbol,
            "currency": "USDT",
            "action": "New",
            "posSide": "Merged",
            "side": "Buy" if fill.side > 0 else "Sell",
            "tradeType": done["tradeType"],
            "execQtyRq": done["execQty"],
            "execPriceRp": done["execPriceRp"],
            "orderQtyRq": self.instrument.qty_text(self.qty),
            "priceRp": self.instrument.price_text(self.price),
            "execValueRv": done["execValueRv"],
            "feeRateRr": done["feeRateRr"],
            "execFeeRv": done["execFeeRv"],
            "closedSizeRq": "0",
            "closedPnlRv": "0",
            "ordType": self.wire["ordType"],
            "execID": fill.fill_id,
            "orderID": self.id,
            "clOrdID": self.client_id,
            "execStatus": "MakerFill" if fill.liquidity is Liquidity.MAKER else "TakerFill",
            "ptFeeRv": "0",
            "ptPriceRp": "0",
        }
