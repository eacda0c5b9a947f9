"""Where Binance USDⓈ-M is, what its requests cost, and what of it may be signed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from exchanges.shared.meters import Headers
from exchanges.shared.setup import LOCAL, MAINNET, TESTNET, VenueSetup, network_of
from exchanges.viaccxt.dialect import ClientSpec
from exchanges.viaccxt.limits import Rule, Rules
from exchanges.viaccxt.signing import PLAIN

NAME: Final = "BINANCE"
MS: Final = 1_000_000
MAX_RECV_MS: Final = 60_000
BATCH: Final = 5
"""Orders of one batch."""
CANCELS: Final = 10
"""Cancels of one batch."""


class Network(Struct, frozen=True):
    """Addresses. `ws` carries /public, /market and /private; `orders` is the WebSocket API."""

    rest: str
    ws: str
    orders: str
    has_restrictions: bool
    """Whether a key's permissions can be asked for there (/sapi; the demo network has none)."""
    sapi: str = ""


NETWORKS: Mapping[str, Network] = {
    MAINNET: Network(
        "https://fapi.binance.com", "wss://fstream.binance.com", "wss://ws-fapi.binance.com/ws-fapi/v1",
        has_restrictions=True, sapi="https://api.binance.com",
    ),
    TESTNET: Network(
        "https://demo-fapi.binance.com", "wss://fstream.binancefuture.com",
        "wss://testnet.binancefuture.com/ws-fapi/v1", has_restrictions=False,
    ),
}  # fmt: skip


def network_at(setup: VenueSetup) -> Network:
    """The addresses of a setup. Raises `ConfigError` for a network that is not there."""
    ws = setup.base_ws_url
    local = Network(setup.base_url, ws, f"{ws}/ws-fapi/v1", has_restrictions=True, sapi=setup.base_url)
    return network_of(setup, NETWORKS, local)


READS = (
    "openOrders openAlgoOrders order algoOrder allAlgoOrders userTrades income balance positionRisk commissionRate "
    "leverageBracket symbolConfig accountConfig feeBurn account/apiRestrictions"
)
MINUTE_NS: Final = 60_000_000_000
RULES: Final = Rules(
    weight=(
        Rule(name="weight-1m", limit=2_400, window_ns=MINUTE_NS, headers=Headers(used="x-mbx-used-weight-1m")),
    ),
    orders=(
        Rule(name="orders-10s", limit=300, window_ns=MINUTE_NS // 6, headers=Headers(used="x-mbx-order-count-10s")),
        Rule(name="orders-1m", limit=1_200, window_ns=MINUTE_NS, headers=Headers(used="x-mbx-order-count-1m")),
    ),
)  # fmt: skip
"""As documented; `exchangeInfo` says what they are now."""
_BY_METHOD = {
    "read": (("GET", READS),),
    "order": (("POST", "order batchOrders algoOrder"),),
    "amend": (("PUT", "order batchOrders"),),
    "cancel": (("DELETE", "order batchOrders algoOrder"), ("POST", "countdownCancelAll")),
    "terms": (("POST", "leverage marginType"),),
}  # fmt: skip
ACTIONS: Mapping[tuple[str, str], str] = {
    (method, path): action
    for action, groups in _BY_METHOD.items()
    for method, paths in groups
    for path in paths.split()
}
"""What may be signed; everything else (withdrawals, transfers, sub-accounts, modes) is refused before it is."""
_SOCKET = {
    "order.place": "order",
    "algoOrder.place": "order",
    "order.modify": "amend",
    "order.cancel": "cancel",
    "algoOrder.cancel": "cancel",
}
_COMMON = "timestamp recvWindow apiKey symbol "
_ORDER = (
    "side type timeInForce quantity price newClientOrderId reduceOnly selfTradePreventionMode newOrderRespType "
    "algoType triggerPrice clientAlgoId workingType priceProtect"
)
_READ = "orderId origClientOrderId clientAlgoId algoId startTime endTime limit fromId incomeType"
ALLOWED: Mapping[str, frozenset[str]] = {
    "order": frozenset((_COMMON + _ORDER + " batchOrders").split()),
    "amend": frozenset((_COMMON + "side quantity price orderId origClientOrderId").split()),
    "cancel": frozenset(
        (_COMMON + "orderId origClientOrderId clientAlgoId origclientorderidlist countdownTime").split()
    ),
    "read": frozenset((_COMMON + _READ).split()),
    "terms": frozenset((_COMMON + "leverage marginType").split()),
}
"""Names of parameters that each action may have: how a signer that sees only a payload knows what it does."""


UNREAD: Final = frozenset(
    [
        "e",
        "E",
        "T",
        "ps",
        "pm",
        "wt",
        "ot",
        "f",
        "sp",
        "ap",
        "R",
        "cp",
        "AP",
        "cr",
        "pP",
        "si",
        "ss",
        "rp",
        "V",
        "gtd",
        "b",
        "a",
        "o",
        "S",
        "at",
        "act",
        "tp",
        "tt",
        "q",
        "p",
        "aq",
        "avgPrice",
        "cumQty",
        "cumQuote",
        "cumBase",
        "pair",
        "closePosition",
        "origType",
        "positionSide",
        "workingType",
        "priceProtect",
        "priceMatch",
        "selfTradePreventionMode",
        "goodTillDate",
        "time",
        "activatePrice",
        "priceRate",
        "algoType",
        "timeInForce",
        "icebergQuantity",
        "actualPrice",
        "actualQty",
        "actualType",
        "createTime",
        "triggerTime",
        "callbackRate",
        "tpTriggerPrice",
        "tpPrice",
        "slTriggerPrice",
        "slPrice",
        "tpOrderType",
        "type",
        "buyer",
        "quoteQty",
        "realizedPnl",
        "asset",
        "info",
        "tradeId",
        "accountAlias",
        "crossWalletBalance",
        "crossUnPnl",
        "availableBalance",
        "maxWithdrawAmount",
        "marginAvailable",
        "updateTime",
        "entryPrice",
        "breakEvenPrice",
        "markPrice",
        "liquidationPrice",
        "leverage",
        "maxNotionalValue",
        "marginType",
        "isolatedMargin",
        "isAutoAddMargin",
        "isolatedWallet",
        "marginAsset",
        "initialMargin",
        "maintMargin",
        "positionInitialMargin",
        "openOrderInitialMargin",
        "adl",
        "bidNotional",
        "askNotional",
    ]
)
"""Fields of orders, fills, positions and balances that we know of and do not need."""


_LISTS = frozenset({"batchOrders", "origclientorderidlist"})
"""Parameters whose value is JSON."""


def names_of(payload: bytes) -> frozenset[str] | None:
    """The names of the parameters in what Binance has signed; of a batch also those of its orders. None: unreadable."""
    names: set[str] = set()
    try:
        for pair in payload.decode("ascii").split("&"):
            name, _, value = pair.partition("=")
            names.add(name)
            if name not in _LISTS and not PLAIN.fullmatch(value):
                return None
            if name == "batchOrders":
                for order in msgspec.json.decode(value, type=list[dict[str, str]]):
                    names.update(order)
    except (UnicodeDecodeError, msgspec.MsgspecError):
        return None
    return frozenset(names)


def spec_at(setup: VenueSetup) -> ClientSpec:
    """How ccxt is set up."""
    network = network_at(setup)

    def point(exchange: Any) -> None:  # noqa: ANN401 - ccxt is untyped
        if setup.network == TESTNET:
            exchange.enable_demo_trading(True)
        urls = exchange.urls["api"]
        for name in list(urls):
            if isinstance(urls[name], str) and name.startswith("fapi"):
                version = name[-1] if name[-2] == "V" else "1"
                urls[name] = f"{network.rest}/fapi/v{version}"
        if network.sapi:
            urls["sapi"] = f"{network.sapi}/sapi/v1"
        urls["ws"]["linear"] = f"{network.ws}/ws"
        urls["ws"]["ws-api"]["linear"] = network.orders
        if setup.network == LOCAL:  # nothing of a local client may ever reach the venue itself
            exchange.urls["api"] = {name: at for name, at in urls.items() if "binance.com" not in str(at)}
            exchange.urls["api"]["ws"] = {"linear": urls["ws"]["linear"], "ws-api": {"linear": network.orders}}

    return ClientSpec(
        exchange="binanceusdm",
        point=point,
        actions=ACTIONS,
        socket_action=lambda message: _SOCKET.get(str(message.get("method")), ""),
        options={"fetchMargins": False, "fetchMarkets": {"types": ["linear"]}, "recvWindow": None},
    )
