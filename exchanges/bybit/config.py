"""Where Bybit is, what of it may be signed, and how ccxt is set up for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from exchanges.shared.meters import Headers
from exchanges.shared.setup import MAINNET, TESTNET, VenueSetup, network_of
from exchanges.viaccxt.dialect import ClientSpec
from exchanges.viaccxt.limits import Rule, Rules
from exchanges.viaccxt.signing import PLAIN

NAME: Final = "BYBIT"
MS: Final = 1_000_000
SECOND_NS: Final = 1_000_000_000
CATEGORY: Final = "linear"
BATCH: Final = 8
"""Orders of one batch: the venue takes ten, which is a second's limit; two of that are kept for what lowers risk."""
CANCELS: Final = 10
MAX_RECV_MS: Final = 30_000
"""How long after its timestamp the venue may take an order, at most; one that is valid for less says so."""
READ_RECV_MS: Final = 5_000
DEMO: Final = "demo"
WINDOW = "recvWindow"
"""A parameter of ours: it goes into the signed header of that name."""


class Network(Struct, frozen=True):
    """Addresses. Empty `trade`: orders go over REST. `tells_keys`: a key's permissions can be asked for."""

    rest: str
    public: str
    private: str
    trade: str = ""
    tells_keys: bool = True


def _network(rest: str, ws: str, *, public: str = "", has_trade: bool = True, tells_keys: bool = True) -> Network:
    trade = f"{ws}/v5/trade" if has_trade else ""
    return Network(rest, f"{public or ws}/v5/public/linear", f"{ws}/v5/private", trade, tells_keys)


NETWORKS: Mapping[str, Network] = {
    MAINNET: _network("https://api.bybit.com", "wss://stream.bybit.com"),
    TESTNET: _network("https://api-testnet.bybit.com", "wss://stream-testnet.bybit.com"),
    DEMO: _network(
        "https://api-demo.bybit.com", "wss://stream-demo.bybit.com",
        public="wss://stream.bybit.com", has_trade=False, tells_keys=False,
    ),
}  # fmt: skip
"""Demo trades on the prices of mainnet, without the WebSocket for orders."""


def network_at(setup: VenueSetup) -> Network:
    """The addresses of a setup. Raises `ConfigError` for a network that is not there."""
    return network_of(setup, NETWORKS, _network(setup.base_url, setup.base_ws_url))


_COUNTED = Headers(left="x-bapi-limit-status", limit="x-bapi-limit")
RULES: Final = Rules(
    weight=(Rule(name="calls-5s", limit=600, window_ns=5 * SECOND_NS),),
    orders=tuple(
        Rule(name=f"{name}-1s", limit=10, window_ns=SECOND_NS, headers=_COUNTED, path=f"order/{name}")
        for name in ("create", "amend", "cancel", "create-batch", "amend-batch", "cancel-batch")
    ),
)
"""As documented; every answer about orders says what its own limit is now."""
BAN_NS: Final = 600 * SECOND_NS
"""How long an address is sent away (HTTP 403) that has asked too often."""

_READS = (
    "v5/user/query-api v5/account/info v5/account/wallet-balance v5/account/fee-rate v5/account/query-dcp-info "
    "v5/position/list v5/order/realtime v5/order/history v5/execution/list"
)
_WRITES = {
    "order": "v5/order/create v5/order/create-batch",
    "amend": "v5/order/amend v5/order/amend-batch",
    "cancel": "v5/order/cancel v5/order/cancel-batch v5/order/disconnected-cancel-all",
    "terms": "v5/position/set-leverage v5/account/set-margin-mode",
}
ACTIONS: Mapping[tuple[str, str], str] = {("GET", path): "read" for path in _READS.split()} | {
    ("POST", path): action for action, paths in _WRITES.items() for path in paths.split()
}
"""What may be signed; everything else (withdrawals, transfers, sub-accounts, modes) is refused before it is."""

_ORDER = (
    "category request symbol side orderType qty price timeInForce orderLinkId orderId reduceOnly positionIdx smpType "
    "triggerPrice triggerDirection triggerBy closeOnTrigger"
)
ALLOWED: Mapping[str, frozenset[str]] = {
    "order": frozenset(_ORDER.split()),
    "amend": frozenset(
        ["category", "request", "symbol", "orderLinkId", "orderId", "qty", "price", "triggerPrice", "triggerBy"]
    ),
    "cancel": frozenset(["category", "request", "symbol", "orderLinkId", "orderId", "product", "timeWindow"]),
    "terms": frozenset(["category", "symbol", "buyLeverage", "sellLeverage", "setMarginMode"]),
    "read": frozenset(
        [
            "accountType",
            "category",
            "symbol",
            "settleCoin",
            "orderId",
            "orderLinkId",
            "openOnly",
            "limit",
            "cursor",
            "startTime",
            "endTime",
        ]
    ),
    "login": frozenset({"expires"}),
}
"""Names of parameters that each action may have: how a signer that sees only a payload knows what it does."""

_HEAD = re.compile(r"[0-9]{13}[A-Za-z0-9_-]*[0-9]")
"""Timestamp, API key and receive window, as they stand before what is signed."""
_LOGIN = re.compile(r"GET/realtime[0-9]{13}")


def names_of(payload: bytes) -> frozenset[str] | None:
    """The names of the parameters in what Bybit has signed; of a batch also those of its orders. None: unreadable."""
    try:
        text = payload.decode("ascii")
        if _LOGIN.fullmatch(text):
            return frozenset({"expires"})
        before, brace, body = text.partition("{")
        if brace:
            return _names_in(msgspec.json.decode(brace + body)) if _HEAD.fullmatch(before) else None
        head, equals, _ = text.partition("=")
        first = re.search(r"[A-Za-z]*\Z", head)
        name = first[0] if first is not None and equals else ""
        if not _HEAD.fullmatch(head.removesuffix(name)):
            return None
        pairs = [pair.partition("=") for pair in text.split("&")]
        if not all(PLAIN.fullmatch(value) for _, _, value in pairs):
            return None
        return frozenset({name, *(named for named, _, _ in pairs[1:])} if equals else ())
    except (UnicodeDecodeError, msgspec.MsgspecError):
        return None


def _names_in(body: Any) -> frozenset[str]:  # noqa: ANN401 - JSON
    names = set(body)
    for order in body.get("request", ()):
        names.update(order)
    return frozenset(names)


def socket_action(message: Mapping[str, Any]) -> str:
    """A WebSocket's messages are not signed one by one; the login is."""
    return "login" if message.get("op") == "auth" else ""


def spec_at(setup: VenueSetup) -> ClientSpec:
    """How ccxt is set up."""
    network = network_at(setup)

    def point(exchange: Any) -> None:  # noqa: ANN401 - ccxt is untyped
        private = {"contract": network.private, "usdc": network.private, "trade": network.trade}
        exchange.urls["api"] = {
            **dict.fromkeys(("public", "private", "spot", "futures", "v2"), network.rest),
            "ws": {"public": {"linear": network.public}, "private": private},
        }
        exchange.sign = _without_broker(exchange, exchange.sign)

    return ClientSpec(
        exchange="bybit",
        point=point,
        actions=ACTIONS,
        socket_action=socket_action,
        options={"fetchMarkets": {"types": ["linear"]}, "defaultType": "swap"},
    )


def _without_broker(exchange: Any, sign: Callable[..., Any]) -> Callable[..., Any]:  # noqa: ANN401
    """Ccxt's `sign` without its Referer, and with the receive window that the request asks for."""

    def signed(path: str, api: Any = "public", method: str = "GET", params: Any = None, *rest: Any) -> Any:  # noqa: ANN401
        params = dict(params or {})
        exchange.options[WINDOW] = params.pop(WINDOW, READ_RECV_MS)
        request = sign(path, api, method, params, *rest)
        (request.get("headers") or {}).pop("Referer", None)
        return request

    return signed
