"""The signed endpoints of the local Binance, over the engine room."""

import json
from collections.abc import Callable
from typing import Any, TypeAlias

from tests.exchanges.binance.room import Room
from tests.exchanges.binance.venue_rules import MAKER, TAKER, Refusal

Params: TypeAlias = dict[str, Any]
Act: TypeAlias = Callable[[Room, str, Params], Any]


def carry_out(room: Room, method: str, path: str, user: str, params: Params) -> Any:
    """The answer to one verified request."""
    act = ACTS.get((method, path))
    if act is None:
        raise Refusal(-5000, f"Path /fapi/v1/{path}, Method {method} is invalid", 404)
    return act(room, user, params)


def _each(act: Act, room: Room, user: str, params: Params) -> Any:
    """One part of a batch: a refusal is its own."""
    try:
        return act(room, user, params)
    except Refusal as refusal:
        return {"code": refusal.code, "msg": refusal.msg}


def _place(room: Room, user: str, params: Params) -> Params:
    return room.place(user, params)


def _place_batch(room: Room, user: str, params: Params) -> list[Params]:
    orders = json.loads(params["batchOrders"])
    if len(orders) > 5:
        raise Refusal(-4082, "Invalid number of batch place orders.")
    return [_each(_place, room, user, order) for order in orders]


def _cancel(room: Room, user: str, params: Params) -> Params:
    return room.cancel(user, room.find(user, params, -2011)).order()


def _cancel_batch(room: Room, user: str, params: Params) -> list[Params]:
    cids = json.loads(params["origclientorderidlist"])
    return [_each(_cancel, room, user, {"symbol": params["symbol"], "origClientOrderId": cid}) for cid in cids]


def _count_down(room: Room, user: str, params: Params) -> Params:
    key, time_ms = f"{user} {params['symbol']}", int(params["countdownTime"])
    room.countdowns.pop(key, None)
    if time_ms:
        room.countdowns[key] = room.now_ms + time_ms
    return {"symbol": params["symbol"], "countdownTime": params["countdownTime"]}


def _terms(room: Room, symbol: str) -> Params:
    return room.terms.setdefault(symbol, {"marginType": "CROSSED", "leverage": 20})


def _set_margin(room: Room, user: str, params: Params) -> Params:
    terms = _terms(room, params["symbol"])
    if terms["marginType"] == params["marginType"]:
        raise Refusal(-4046, "No need to change margin type.")
    terms["marginType"] = params["marginType"]
    return {"code": 200, "msg": "success"}


def _set_leverage(room: Room, user: str, params: Params) -> Params:
    if int(params["leverage"]) > 75:
        raise Refusal(-4028, f"Leverage {params['leverage']} is not valid")
    _terms(room, params["symbol"])["leverage"] = int(params["leverage"])
    return {"leverage": int(params["leverage"]), "maxNotionalValue": "1000000", "symbol": params["symbol"]}


def _open_orders(room: Room, user: str, params: Params) -> list[Params]:
    resting = {"NEW", "PARTIALLY_FILLED"}
    return [rec.order() for rec in room.of(user, params) if not rec.algo_id and rec.status in resting]


def _open_algos(room: Room, user: str, params: Params) -> list[Params]:
    return [rec.algo() for rec in room.of(user, params) if rec.algo_id and rec.status == "NEW" and not rec.oid]


def _trades(room: Room, user: str, params: Params) -> list[Params]:
    first = int(params.get("fromId", 0))
    mine = [t for t in room.trades if t["user"] == user and t["symbol"] == params["symbol"] and t["id"] >= first]
    if (
        "startTime" in params
        and "endTime" in params
        and int(params["endTime"]) - int(params["startTime"]) > 604_800_000
    ):
        raise Refusal(-4166, "Search window is restricted to recent 7 days.")
    return _within(mine, params)


def _within(found: list[Params], params: Params) -> list[Params]:
    since, until = int(params.get("startTime", 0)), int(params.get("endTime", 2**62))
    return [each for each in found if since <= each["time"] <= until][: int(params.get("limit", 500))]


def _balance(room: Room, user: str, params: Params) -> list[Params]:
    wallet = f"{room.books(user).cash:.8f}"
    names = ("balance", "crossWalletBalance", "availableBalance", "maxWithdrawAmount")
    told = dict.fromkeys(names, wallet)
    return [{"accountAlias": "SgsR", "asset": "USDT", **told, "crossUnPnl": "0", "marginAvailable": True}]


def _account(room: Room, user: str, params: Params) -> Params:
    wallet = _balance(room, user, params)[0]["balance"]
    names = ("walletBalance", "marginBalance", "crossWalletBalance", "availableBalance", "maxWithdrawAmount")
    none = dict.fromkeys(("unrealizedProfit", "maintMargin", "initialMargin", "positionInitialMargin"), "0.00000000")
    assets = [{"asset": "USDT", **dict.fromkeys(names, wallet), **none, "updateTime": room.now_ms}]
    totals = {"totalWalletBalance": wallet, "totalMarginBalance": wallet, "availableBalance": wallet}
    return {**totals, "assets": assets, "positions": room.positions(user)}


def _bracket(room: Room, user: str, params: Params) -> list[Params]:
    first = {"bracket": 1, "initialLeverage": 75, "notionalCap": 10_000_000, "notionalFloor": 0, "cum": 0.0}
    symbols = [params["symbol"]] if "symbol" in params else list(room.by_symbol)
    bracket = {**first, "maintMarginRatio": 0.0065}
    return [{"symbol": symbol, "notionalCoef": 1.5, "brackets": [bracket]} for symbol in symbols]


def _account_config(room: Room, user: str, params: Params) -> Params:
    more = {"feeTier": 0, "canDeposit": True, "canWithdraw": True, "updateTime": 0, "tradeGroupId": -1}
    return {**more, **room.account}


ACTS: dict[tuple[str, str], Act] = {
    ("POST", "order"): _place,
    ("POST", "batchOrders"): _place_batch,
    ("PUT", "order"): lambda room, user, params: room.amend(user, params),
    ("DELETE", "order"): _cancel,
    ("DELETE", "batchOrders"): _cancel_batch,
    ("POST", "algoOrder"): lambda room, user, params: room.place_algo(user, params),
    ("DELETE", "algoOrder"): lambda room, user, p: room.cancel(user, room.find_algo(user, p, -2011)).algo(),
    ("POST", "countdownCancelAll"): _count_down,
    ("POST", "marginType"): _set_margin,
    ("POST", "leverage"): _set_leverage,
    ("GET", "order"): lambda room, user, params: room.find(user, params, -2013).order(),
    ("GET", "algoOrder"): lambda room, user, params: room.find_algo(user, params, -2013).algo(),
    ("GET", "openOrders"): _open_orders,
    ("GET", "openAlgoOrders"): _open_algos,
    ("GET", "allAlgoOrders"): lambda room, user, p: [rec.algo() for rec in room.of(user, p) if rec.algo_id],
    ("GET", "userTrades"): _trades,
    ("GET", "income"): lambda room, user, p: _within([e for e in room.income if e["user"] == user], p),
    ("GET", "positionRisk"): lambda room, user, params: room.positions(user),
    ("GET", "balance"): _balance,
    ("GET", "account"): _account,
    ("GET", "commissionRate"): lambda room, user, params: {
        "symbol": params["symbol"], "makerCommissionRate": f"{MAKER:f}", "takerCommissionRate": f"{TAKER:f}",
    },
    ("GET", "leverageBracket"): _bracket,
    ("GET", "symbolConfig"): lambda room, user, params: [
        {"symbol": params["symbol"], "isAutoAddMargin": False, **_terms(room, params["symbol"])}
    ],
    ("GET", "accountConfig"): _account_config,
    ("GET", "feeBurn"): lambda room, user, params: {"feeBurn": room.burns_bnb},
    ("GET", "account/apiRestrictions"): lambda room, user, params: {"enableReading": True, **room.key},
}  # fmt: skip
