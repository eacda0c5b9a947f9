"""The local venue is strict: what the real one refuses, it refuses in the same words."""

import json

import aiohttp
from coincurve import PrivateKey

from exchanges.hyperliquid.signing import digest_of, l1_payload, signature_of
from tests.exchanges.hyperliquid.exchange_room import AGENT_KEY
from tests.exchanges.hyperliquid.exchange_server import ExchangeServer

ORDER = {"a": 0, "b": True, "p": "50000", "s": "0.01", "r": False, "t": {"limit": {"tif": "Gtc"}}}


def signed(action: dict, nonce: int, key: str = AGENT_KEY, **more) -> dict:
    payload = l1_payload(action, nonce, is_mainnet=False, expires_ms=more.get("expiresAfter", 0))
    made = signature_of(PrivateKey(bytes.fromhex(key[2:])).sign_recoverable(digest_of(payload), hasher=None))
    return {"action": action, "nonce": nonce, "signature": {"r": made.r, "s": made.s, "v": made.v}, **more}


def order(*wires: dict) -> dict:
    return {"type": "order", "orders": list(wires or [ORDER]), "grouping": "na"}


def now_ms(venue: ExchangeServer) -> int:
    return venue.room.now_ns() // 1_000_000


async def test_an_order_rests_and_is_told_of():
    async with ExchangeServer() as venue, aiohttp.ClientSession() as session:
        async with session.post(f"{venue.url}/exchange", json=signed(order(), now_ms(venue))) as answer:
            told = await answer.json()
        assert told == {
            "status": "ok",
            "response": {"type": "order", "data": {"statuses": [{"resting": {"oid": 1001}}]}},
        }
        assert venue.room.tell({"type": "orderStatus", "oid": 1001})["order"]["status"] == "open"


def test_signers_that_nobody_approved_and_tampered_actions_are_refused():
    room = ExchangeServer().room
    now = room.now_ns() // 1_000_000
    stranger = room.act(signed(order(), now, "0x" + "22" * 32), "rest")
    assert stranger["response"].endswith("does not exist.")
    body = signed(order(), now)
    body["action"] = order({**ORDER, "s": "1"})
    assert "does not exist" in json.dumps(room.act(body, "rest")) or "Invalid" in json.dumps(room.act(body, "rest"))
    assert room.recs == {}


def test_nonces_are_used_once_and_expired_actions_do_nothing():
    room = ExchangeServer().room
    now = room.now_ns() // 1_000_000
    assert room.act(signed(order(), now), "rest")["status"] == "ok"
    assert room.act(signed(order(), now), "rest") == {
        "status": "err",
        "response": f"Invalid nonce: duplicate nonce {now}",
    }
    assert "too far" in room.act(signed(order(), now - 3 * 86_400_000), "rest")["response"]
    assert "expired" in room.act(signed(order(), now + 1, expiresAfter=now - 1), "rest")["response"]
    assert len(room.recs) == 1


def test_a_batch_gets_one_status_for_each_and_one_for_all_when_it_is_ill_formed():
    room = ExchangeServer().room
    now = room.now_ns() // 1_000_000
    mixed = room.act(signed(order(ORDER, {**ORDER, "s": "0.0001"}, {**ORDER, "s": "1000"}), now), "rest")
    statuses = mixed["response"]["data"]["statuses"]
    assert statuses[0] == {"resting": {"oid": 1001}}
    assert statuses[1] == {"error": "Order must have minimum value of $10. asset=0"}
    assert statuses[2] == {"error": "Insufficient margin to place order. asset=0"}
    bad = room.act(signed(order(ORDER, {**ORDER, "p": "50000.12"}), now + 1), "rest")
    assert bad["response"]["data"]["statuses"] == [{"error": "Price must be divisible by tick size. asset=0"}]
