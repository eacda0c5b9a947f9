"""Where dYdX is, and how patiently we talk to it.

Three doors: the indexer (REST and WebSocket, reads only), and a full node's RPC (transactions) and REST (the chain's
own state: accounts, fees, limits). Anybody's node will do; the indexer is the venue's.
"""

from __future__ import annotations

from msgspec import Struct

from domain.instrument import AccountId

SHORT_BLOCK_WINDOW = 20
"""A short-term order's goodTilBlock is at most this many blocks ahead."""
NONCE_WINDOW_MS = 30_000
"""A transaction whose timestamp nonce is older than this, by the block's time, is not taken any more."""
SUBSCRIPTIONS_A_CHANNEL = 32
"""The venue's limit for each public channel of one connection."""


class DydxConfig(Struct, frozen=True, kw_only=True):
    """Addresses and patience.

    After `ping_after_s` without a frame a ping is sent, after half as long again the connection counts as dead. A lost
    connection is tried again after a random time below `backoff_s`, doubled for every failure up to `backoff_max_s`.
    """

    indexer_url: str = "https://indexer.dydx.trade/v4"
    ws_url: str = "wss://indexer.dydx.trade/v4/ws"
    rpc_url: str = "https://dydx-ops-rpc.kingnodes.com"
    rest_url: str = "https://dydx-rest.publicnode.com"
    chain_id: str = "dydx-mainnet-1"
    """Which chain is signed for; never guessed from an address, and compared with the node's at the start."""
    connect_timeout_s: float = 10.0
    request_timeout_s: float = 5.0
    ping_after_s: float = 15.0
    backoff_s: float = 0.5
    backoff_max_s: float = 30.0
    max_frame_bytes: int = 16 * 2**20
    max_clock_skew_s: float = 5.0
    """An account is not opened when this machine's clock is off by more: expiries would mean nothing."""
    immediate_blocks: int = 3
    """How many blocks an order that must fill at once stays valid: less may miss its block, more is known later."""


MAINNET = DydxConfig()
TESTNET = DydxConfig(
    indexer_url="https://indexer.v4testnet.dydx.exchange/v4",
    ws_url="wss://indexer.v4testnet.dydx.exchange/v4/ws",
    rpc_url="https://test-dydx-rpc.kingnodes.com",
    rest_url="https://test-dydx-rest.kingnodes.com",
    chain_id="dydx-testnet-4",
)
INDEXER_REQUESTS, INDEXER_NS = 100, 10_000_000_000
"""The indexer takes so many questions of one address in so long."""
LOCAL_CHAIN = "dydx-local-1"


def local(base_url: str, base_ws_url: str) -> DydxConfig:
    """A server that plays the indexer and the node at one address."""
    return DydxConfig(
        indexer_url=f"{base_url}/v4",
        ws_url=f"{base_ws_url}/v4/ws",
        rpc_url=f"{base_url}/rpc",
        rest_url=f"{base_url}/rest",
        chain_id=LOCAL_CHAIN,
    )


def network_name(config: DydxConfig) -> str:
    """What people call the network."""
    return {MAINNET.chain_id: "mainnet", TESTNET.chain_id: "testnet"}.get(config.chain_id, "local")


class DydxAccount(Struct, frozen=True, kw_only=True):
    """One subaccount: the engine's id for it, the address on the chain, its number, and the name of the key.

    The key is a permissioned one, for which the account has the `authenticator` of that id; the account's own key can
    withdraw and is refused.
    Fills and funding before `since_ns` of the venue's clock are not told; 0 = from the start of the connection on.
    """

    id: AccountId
    address: str
    key: str
    authenticator: int | None = None
    subaccount: int = 0
    since_ns: int = 0

    @property
    def channel(self) -> str:
        """What the indexer calls it."""
        return f"{self.address}/{self.subaccount}"
