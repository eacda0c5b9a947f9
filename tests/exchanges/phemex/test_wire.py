"""Phemex's formats, which nothing recorded was there to test with.

The payloads are written after the samples in the venue's documents and in ccxt's comments, shape by shape, with values
of our own. The public frames of the local server are shaped as others have published them from the wire.
"""

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from domain.errors import DataError, VenueError
from exchanges.phemex.markets import Products, listed, with_fees
from exchanges.phemex.wire import (
    AccountPositions,
    Aop,
    FeeRates,
    WireFunding,
    WireOrder,
    WirePast,
    WireTrade,
    rows_of,
    told,
)
from exchanges.viaccxt.dialect import Answer
from tests.exchanges.phemex.catalogue import LISTED, products

ORDER = {
    "bizError": 0, "orderID": "c2621102-1cc0", "clOrdID": "", "symbol": "BTCUSDT", "side": "Sell",
    "actionTimeNs": 1678163665765381733, "transactTimeNs": 1678163665769528669, "orderType": "Limit",
    "priceRp": "22490.4", "orderQtyRq": "0.005", "displayQtyRq": "0.005", "timeInForce": "GoodTillCancel",
    "reduceOnly": False, "closedPnlRv": "0", "closedSizeRq": "0", "cumQtyRq": "0.001", "cumValueRv": "0",
    "leavesQtyRq": "0.004", "leavesValueRv": "112.452", "stopDirection": "UNSPECIFIED", "stopPxRp": "0",
    "trigger": "UNSPECIFIED", "pegOffsetValueRp": "0", "pegOffsetProportionRr": "0", "execStatus": "New",
    "pegPriceType": "UNSPECIFIED", "ordStatus": "New", "execInst": "CloseOnTrigger", "takeProfitRp": "0",
    "stopLossRp": "0",
}  # fmt: skip
PAST = {
    "orderId": "743fc923-cb01", "clOrdId": "a-1", "symbol": "BTCUSDT", "side": "Buy", "ordType": "Market",
    "actionTimeNs": 1667562110213260743, "priceRp": "21206.7", "orderQtyRq": "0.001", "displayQtyRq": "0.001",
    "timeInForce": "ImmediateOrCancel", "reduceOnly": False, "takeProfitRp": "0", "stopLossRp": "0",
    "closedPnlRv": "0", "closedSizeRq": "0", "cumQtyRq": "0.001", "cumValueRv": "20.5795", "leavesQtyRq": "0",
    "leavesValueRv": "0", "stopDirection": "UNSPECIFIED", "ordStatus": "Filled",
    "transactTimeNs": 1667562110221077395, "bizError": 0,
}  # fmt: skip
TRADE = {
    "transactTimeNs": 1669407633926215067, "symbol": "BTCUSDT", "currency": "USDT", "action": "New",
    "posSide": "Merged", "side": "Sell", "tradeType": "Trade", "execQtyRq": "0.001", "execPriceRp": "16600",
    "orderQtyRq": "0.001", "priceRp": "16600", "execValueRv": "16.6", "feeRateRr": "0.0001", "execFeeRv": "0.00166",
    "closedSizeRq": "0", "closedPnlRv": "0", "ordType": "LimitIfTouched", "execID": "5c3d96e1-8874",
    "orderID": "fcdfeafa-ed68", "clOrdID": "", "execStatus": "MakerFill",
}  # fmt: skip
POSITION = {
    "accountID": 9328670003, "avgEntryPriceRp": "0.0535", "cumFundingFeeRv": "0.01", "currency": "USDT",
    "leverageRr": "-10", "posMode": "OneWay", "posSide": "Merged", "side": "Buy", "symbol": "XEMUSDT",
    "takerFeeRateRr": "0.0006", "transactTimeNs": 1699833600004313941, "valueRv": "9.951", "term": 1,
}  # fmt: skip


def answer(data: Any, code: int | str = 0, msg: str = "", status: int = 200) -> Answer:
    return Answer(status, {}, json.dumps({"code": code, "msg": msg, "data": data}).encode())


@pytest.mark.parametrize("data", [{"rows": [ORDER], "nextPageArg": ""}, [ORDER]], ids=["in rows", "bare"])
def test_open_orders_are_read_whether_they_come_in_rows_or_bare(data):
    [order] = rows_of(answer(data), WireOrder, "orders")
    assert (order.id, order.cid, order.price, order.qty, order.filled) == (
        "c2621102-1cc0",
        "",
        "22490.4",
        "0.005",
        "0.001",
    )
    assert (order.status, order.instruction) == ("New", "CloseOnTrigger")


def test_past_orders_are_known_by_either_spelling_of_their_ids():
    other = {"orderID": "x", "clOrdID": "b-2", **{key: value for key, value in PAST.items() if "Id" not in key}}
    first, second = rows_of(answer([PAST, other]), WirePast, "orders")
    assert [(order.id, order.cid, order.status) for order in (first, second)] == [
        ("743fc923-cb01", "a-1", "Filled"), ("x", "b-2", "Filled"),
    ]  # fmt: skip


def test_fills_and_funding_are_read():
    [trade] = rows_of(answer({"rows": [TRADE]}), WireTrade, "trades")
    assert (trade.id, trade.order_id, trade.fee, trade.execution) == (
        "5c3d96e1-8874",
        "fcdfeafa-ed68",
        "0.00166",
        "MakerFill",
    )
    paid = {"symbol": "ETHUSDT", "currency": "USDT", "execQtyRq": "0.16", "side": "Buy", "execPriceRp": "1322.84",
            "execValueRv": "211.6", "fundingRateRr": "0.0001", "feeRateRr": "0.0001", "execFeeRv": "0.02116552",
            "createTime": 1671004800021}  # fmt: skip
    [funding] = rows_of(answer({"rows": [paid]}), WireFunding, "funding")
    assert (funding.symbol, funding.fee, funding.time_ms) == ("ETHUSDT", "0.02116552", 1671004800021)


def test_a_positions_size_goes_by_two_names():
    account = {"userID": 1, "accountId": 2, "currency": "USDT", "accountBalanceRv": "730.97309163"}
    both = [POSITION | {"size": "186"}, POSITION | {"sizeRq": "186"}, POSITION]
    found = told(answer({"account": account, "positions": both}), AccountPositions, "positions")
    assert found.account.cash == "730.97309163"
    assert [position.qty for position in found.positions] == ["186", "186", "0"]


def test_a_message_of_the_account_tolerates_what_we_do_not_know():
    order = {
        "accountID": 1, "action": "New", "clOrdID": "a-1", "code": 0, "cumQty": "0.003", "cxlRejReason": 0,
        "execFeeRv": "0.03730518", "execID": "b6c8d16b-c777", "execPriceRp": "20725.1", "execQty": "0.003",
        "execStatus": "TakerFill", "lastLiquidityInd": "RemovedLiquidity", "message": "No error",
        "ordStatus": "Filled", "orderID": "fa64c6f2-47a4", "orderQty": "0.003", "priceRp": "21150.1", "side": "Buy",
        "stopPxRp": "0", "symbol": "BTCUSDT", "tradeType": "Trade", "transactTimeNs": "1666858780881545305",
        "somethingNew": {"deep": [1]},
    }  # fmt: skip
    message = {
        "accounts_p": [{}],
        "orders_p": [order],
        "positions_p": [POSITION],
        "sequence": 68744,
        "type": "snapshot",
    }
    aop = msgspec.convert(message, Aop, strict=False)
    [told_order] = aop.orders
    assert (told_order.exec_id, told_order.exec_qty, told_order.time_ns) == (
        "b6c8d16b-c777",
        "0.003",
        1666858780881545305,
    )
    del order["ordStatus"]
    with pytest.raises(msgspec.ValidationError, match="ordStatus"):
        msgspec.convert(message, Aop, strict=False)


@pytest.mark.parametrize(
    ("found", "error", "words"),
    [
        pytest.param(answer(None, "10500", "API Signature verification failed."), VenueError, "10500", id="a code"),
        pytest.param(answer(None, 0, status=503), VenueError, "HTTP 503", id="a status"),
        pytest.param(Answer(200, {}, b"<html>"), DataError, "not understood", id="no JSON"),
        pytest.param(answer({"account": 1}), DataError, "not understood", id="another shape"),
    ],
)
def test_what_is_no_answer_is_an_error_with_the_venues_words(found, error, words):
    with pytest.raises(error, match=words):
        told(found, AccountPositions, "positions")


def test_contracts_are_the_listed_usdt_perpetuals():
    found = list(listed(msgspec.convert(products(), Products, strict=False)))
    assert [i.venue_symbol for i in found] == [i.venue_symbol for i in LISTED]
    own = {"takerFeeRateEr": 55000, "makerFeeRateEr": -6000, "symbol": "BTCUSDT"}
    rates = msgspec.convert({"symbolFeeRates": [own]}, FeeRates)
    assert (with_fees(found[0], rates).taker_fee, with_fees(found[0], rates).maker_fee) == (
        Decimal("0.00055"), Decimal("-0.00006"),
    )  # fmt: skip
    assert with_fees(found[1], rates) == found[1]
