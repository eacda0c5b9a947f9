"""A client that we did not write, Hyperliquid's own SDK: it trades at the local venue, and signs as we do."""

import asyncio
import time
from decimal import Decimal
from typing import Any

import eth_account
from coincurve import PrivateKey
from hyperliquid.exchange import Exchange
from hyperliquid.info import Info
from hyperliquid.utils.signing import sign_l1_action
from hyperliquid.utils.types import Cloid
from hypothesis import given, settings
from hypothesis import strategies as st

from exchanges.hyperliquid.signing import digest_of, l1_payload, signature_of
from tests.exchanges.hyperliquid.exchange_room import AGENT_KEY, MASTER
from tests.exchanges.hyperliquid.exchange_server import ExchangeServer

GTC: Any = {"limit": {"tif": "Gtc"}}
SPOT: Any = {"universe": [], "tokens": []}


def orders_of_the_sdk(server: ExchangeServer) -> list[Any]:
    """Blocking, so it has a thread of its own."""
    meta: Any = server.room.tell({"type": "meta"})
    cloid = Cloid.from_int(7)
    wallet = eth_account.Account.from_key(AGENT_KEY)
    client = Exchange(wallet, server.url, meta=meta, spot_meta=SPOT, account_address=MASTER, timeout=5)
    told = [
        client.order("BTC", is_buy=True, sz=0.01, limit_px=49_000, order_type=GTC, cloid=cloid),
        client.order("BTC", is_buy=True, sz=0.01, limit_px=50_010, order_type={"limit": {"tif": "Ioc"}}),
        client.order("BTC", is_buy=True, sz=0.0001, limit_px=49_000, order_type=GTC),
        client.modify_order(cloid, "BTC", is_buy=True, sz=0.02, limit_px=49_100, order_type=GTC, cloid=cloid),
    ]
    client.set_expires_after(int(time.time() * 1000) + 60_000)
    told.append(client.cancel_by_cloid("BTC", cloid))
    told.append(client.schedule_cancel(int(time.time() * 1000) + 60_000))
    told.append(client.update_leverage(5, "ETH", is_cross=False))
    info = Info(server.url, skip_ws=True, meta=meta, spot_meta=SPOT, timeout=5)
    told += [info.query_order_by_cloid(MASTER, cloid)["order"]["status"], len(info.user_fills_by_time(MASTER, 0))]
    limit = info.user_rate_limit(MASTER)
    told += [limit["nRequestsUsed"], limit["nRequestsCap"] > 1_010_000, info.extra_agents(MASTER)]
    stranger = Exchange(
        eth_account.Account.from_key("0x" + "33" * 32), server.url, meta=meta, spot_meta=SPOT, timeout=5
    )
    return [*told, stranger.order("BTC", is_buy=True, sz=0.01, limit_px=49_000, order_type=GTC)]


async def test_the_sdk_trades_at_the_local_venue():
    async with ExchangeServer() as server:
        await server.quote("49990", "50010")
        server.room.quota.traded = Decimal(1_000_000)
        *told, refused = await asyncio.to_thread(orders_of_the_sdk, server)
        statuses = [answer["response"]["data"]["statuses"][0] for answer in told[:5]]
        assert [next(iter(status)) if isinstance(status, dict) else status for status in statuses] == [
            "resting", "filled", "error", "resting", "success",
        ]  # fmt: skip
        assert [answer["status"] for answer in told[5:7]] == ["ok", "ok"]
        assert server.room.leverages.of(MASTER, "ETH") == {"type": "isolated", "value": 5}
        assert told[7:] == ["canceled", 1, 7, True, []]
        assert refused["response"].endswith("does not exist.")


@settings(max_examples=25, deadline=None)
@given(
    nonce=st.integers(0, 2**63),
    expires=st.none() | st.integers(1, 2**63),
    vault=st.none() | st.binary(min_size=20, max_size=20).map(lambda raw: "0x" + raw.hex()),
    is_mainnet=st.booleans(),
    number=st.integers(0, 2**63) | st.text(max_size=300),
)
def test_our_signatures_are_the_sdks_whatever_is_signed(nonce, expires, vault, is_mainnet, number):
    action = {"type": "dummy", "num": number, "list": [{"a": 1, "b": True, "c": None}]}
    theirs = sign_l1_action(eth_account.Account.from_key(AGENT_KEY), action, vault, nonce, expires, is_mainnet)
    payload = l1_payload(action, nonce, is_mainnet=is_mainnet, vault=vault or "", expires_ms=expires or 0)
    ours = signature_of(PrivateKey(bytes.fromhex(AGENT_KEY[2:])).sign_recoverable(digest_of(payload), hasher=None))
    assert {"r": ours.r, "s": ours.s, "v": ours.v} == theirs
