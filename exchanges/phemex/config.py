"""Where Phemex is, what its requests cost, and what of it may be signed."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from msgspec import Struct

from exchanges.shared.meters import Headers
from exchanges.shared.setup import MAINNET, TESTNET, VenueSetup, network_of
from exchanges.viaccxt.dialect import ClientSpec
from exchanges.viaccxt.limits import Rule, Rules
from exchanges.viaccxt.signing import PLAIN

NAME: Final = "PHEMEX"
MS: Final = 1_000_000
S: Final = 1_000_000_000
QUOTE: Final = "USDT"
ONE_WAY: Final = "Merged"
"""`posSide` of everything in one-way mode."""
EXPIRY: Final = "expiry_s"
"""A parameter of ours: when the request is too late, in seconds since the epoch. It becomes a header."""
LONGEST_S: Final = 60
"""How long a request that does not say so may take to arrive."""


MINUTE_NS: Final = 60 * S
RULES: Final = Rules(
    weight=(
        Rule(
            name="others-1m",
            limit=100,
            window_ns=MINUTE_NS,
            headers=Headers(
                left="x-ratelimit-remaining", limit="x-ratelimit-capacity", retry="x-ratelimit-retry-after"
            ),
        ),
    ),
    orders=(
        Rule(
            name="contract-1m",
            limit=500,
            window_ns=MINUTE_NS,
            headers=Headers(
                left="x-ratelimit-remaining-contract",
                limit="x-ratelimit-capacity-contract",
                retry="x-ratelimit-retry-after-contract",
            ),
        ),
    ),
)
"""As documented; every answer says what they are. `orders` are the venue's group for all of trading, open orders and
positions too, `weight` its group for everything of the past. The 5,000 in five minutes of an address are not reached
within these."""


class Network(Struct, frozen=True):
    """Addresses. Everything of the WebSocket is at one."""

    rest: str
    ws: str


NETWORKS: Mapping[str, Network] = {
    MAINNET: Network("https://api.phemex.com", "wss://ws.phemex.com"),
    TESTNET: Network("https://testnet-api.phemex.com", "wss://testnet-api.phemex.com/ws"),
}


def network_at(setup: VenueSetup) -> Network:
    """The addresses of a setup. Raises `ConfigError` for a network that is not there."""
    return network_of(setup, NETWORKS, Network(setup.base_url, f"{setup.base_ws_url}/ws"))


ACTIONS: Mapping[tuple[str, str], str] = {
    ("POST", "g-orders"): "order",
    ("PUT", "g-orders/replace"): "amend",
    ("DELETE", "g-orders/cancel"): "cancel",
    ("PUT", "g-positions/leverage"): "terms",
    ("GET", "g-orders/activeList"): "read",
    ("GET", "g-accounts/accountPositions"): "read",
    ("GET", "api-data/g-futures/orders/by-order-id"): "read",
    ("GET", "api-data/g-futures/trades"): "read",
    ("GET", "api-data/g-futures/funding-fees"): "read",
    ("GET", "api-data/futures/fee-rate"): "read",
}
"""What may be signed; everything else (withdrawals, transfers, conversions, modes) is refused before it is."""
LOGIN: Final = "login"
_ORDER = "clOrdID symbol side posSide ordType orderQtyRq priceRp stopPxRp triggerType timeInForce reduceOnly"
_READ = "symbol currency orderID clOrdID start end offset limit settleCurrency"
_NAMES = {
    "order": _ORDER,
    "amend": "symbol posSide orderID origClOrdID priceRp orderQtyRq stopPxRp",
    "cancel": "symbol posSide orderID clOrdID",
    "terms": "symbol leverageRr",
    "read": _READ,
}
ALLOWED: Mapping[str, frozenset[str]] = {
    LOGIN: frozenset({LOGIN}),
    **{
        action: frozenset(names.split()) | {f"/{path}" for (_, path), does in ACTIONS.items() if does == action}
        for action, names in _NAMES.items()
    },
}
"""Paths and names of parameters that each action may have: how a signer that sees only a payload knows what it does."""
_PATHS = sorted({f"/{path}" for _, path in ACTIONS}, key=len, reverse=True)
_LOGIN = re.compile(r"[0-9A-Za-z-]{8,64}\d{10}")


def names_of(payload: bytes) -> frozenset[str] | None:
    """The path and the names of the parameters in what Phemex has signed (path, query, expiry, body). None: unreadable.

    The login of a WebSocket signs the API key and its expiry.
    """
    try:
        text = payload.decode("ascii")
        if _LOGIN.fullmatch(text):
            return frozenset({LOGIN})
        path = next((path for path in _PATHS if text.startswith(path)), None)
        if path is None:
            return None
        query, brace, body = text.removeprefix(path).partition("{")
        names = {path}
        if not re.search(r"\d{10}$", query):
            return None
        pairs = parse_qsl(query[:-10], keep_blank_values=True, strict_parsing=bool(query[:-10]))
        if not all(PLAIN.fullmatch(value) for _, value in pairs):
            return None
        names.update(name for name, _ in pairs)
        if brace:
            names.update(msgspec.json.decode(brace + body, type=dict[str, Any]))
    except (ValueError, msgspec.MsgspecError):
        return None
    return frozenset(names)


def spec_at(setup: VenueSetup) -> ClientSpec:
    """How ccxt is set up."""
    network = network_at(setup)

    def point(exchange: Any) -> None:  # noqa: ANN401 - ccxt is untyped
        rest = network.rest
        exchange.urls["api"] = {
            "v1": f"{rest}/v1", "v2": rest, "public": f"{rest}/exchange/public", "private": rest, "ws": network.ws,
        }  # fmt: skip
        plain = exchange.sign

        def sign(path: str, api: Any = "public", method: str = "GET", params: Any = None, *rest: Any) -> Any:  # noqa: ANN401
            """A request is too late when its order is, to the second."""
            params = dict(params or {})
            until_s = params.pop(EXPIRY, 0)
            left_s = until_s - int(time.time()) if until_s else LONGEST_S
            exchange.options["x-phemex-request-expiry"] = min(left_s, LONGEST_S)
            return plain(path, api, method, params, *rest)

        exchange.sign = sign

    return ClientSpec(
        exchange="phemex",
        point=point,
        actions=ACTIONS,
        socket_action=lambda message: LOGIN if message.get("method") == "user.auth" else "",
        options={"defaultType": "swap", "brokerId": ""},
    )
