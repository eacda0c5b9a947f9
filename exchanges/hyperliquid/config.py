"""Where Hyperliquid is, and how patiently we talk to it."""

from __future__ import annotations

from msgspec import Struct

from domain.instrument import AccountId

MAINNET_WS, MAINNET_API = "wss://api.hyperliquid.xyz/ws", "https://api.hyperliquid.xyz"
TESTNET_WS, TESTNET_API = "wss://api.hyperliquid-testnet.xyz/ws", "https://api.hyperliquid-testnet.xyz"

MAX_SUBSCRIPTIONS = 1_000
"""The venue's limit per IP address."""


class HyperliquidConfig(Struct, frozen=True, kw_only=True):
    """Addresses and patience.

    After `ping_after_s` without a frame a ping is sent, after as long again the connection counts as dead
    (the venue itself closes after 60 s of silence). A lost connection is tried again after a random time
    below `backoff_s`, doubled for every failure up to `backoff_max_s`.
    """

    ws_url: str = MAINNET_WS
    api_url: str = MAINNET_API
    is_mainnet: bool = True
    """Which network's signatures are made; never guessed from an address."""
    connect_timeout_s: float = 10.0
    ping_after_s: float = 15.0
    backoff_s: float = 0.5
    backoff_max_s: float = 30.0
    request_timeout_s: float = 10.0
    weight_a_minute: int = 1_200
    messages_a_minute: int = 2_000
    """What the venue lets one IP address send over REST and over WebSockets, by its documentation."""
    order_valid_s: float = 30.0
    """An order or modification without an end of its own is not accepted later than this after it is signed."""
    builder: str = ""
    builder_fee: int = 0
    """Who is paid a fee in tenths of a basis point for each order; nobody. The account must have approved it there."""
    watch_every_s: float = 60.0
    """How often an account's allowance, volume and keys are looked up."""
    max_frame_bytes: int = 4 * 2**20
    max_clock_skew_s: float = 5.0
    """An account is not opened when this machine's clock is off the venue's by more: expiries would mean nothing."""
    bar_grace_ms: int = 500
    """A bar is finished when the venue's own time has passed its close by this much."""


MAINNET = HyperliquidConfig()
TESTNET = HyperliquidConfig(ws_url=TESTNET_WS, api_url=TESTNET_API, is_mainnet=False)


def is_testnet(config: HyperliquidConfig) -> bool:
    """Whether it is the venue's own test network, and not a local server."""
    return config.api_url == TESTNET_API


class HyperliquidAccount(Struct, frozen=True, kw_only=True):
    """One account: the engine's id for it, the address that holds the money, and the name of the agent's key.

    The key must be an API wallet that the address has approved; the address's own key could withdraw and is refused.
    For a sub-account or vault, `address` is its own and `is_vault` is set: then the key is its master's agent.
    Fills and funding before `since_ns` of the venue's clock are not told; 0 = from the start of the connection on.
    """

    id: AccountId
    address: str
    key: str
    is_vault: bool = False
    since_ns: int = 0
