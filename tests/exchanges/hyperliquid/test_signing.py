"""Signatures equal the SDK's on its own vectors, and the signer reads what it signs."""

import json
from pathlib import Path

import pytest
from coincurve import PrivateKey
from sha3 import keccak_256

from domain.errors import ConfigError, VenueError
from domain.ports import Signer, SignRequest
from exchanges.hyperliquid.signing import (
    LocalSigner,
    Signature,
    action_type,
    digest_of,
    l1_payload,
    recover,
    signature_of,
    signed_bytes,
)

VECTORS = json.loads(
    (Path(__file__).parents[2] / "fixtures" / "hyperliquid" / "signing_vectors.json").read_text(encoding="utf-8")
)
"""All L1 signatures of hyperliquid-python-sdk 0.24.0's own tests (MIT); the keys are the SDK's, and worthless."""
KEY = VECTORS[0]["key"]


def payload_of(vector: dict) -> bytes:
    return l1_payload(
        vector["action"],
        vector["nonce"],
        is_mainnet=vector["is_mainnet"],
        vault=vector["vault"] or "",
        expires_ms=vector["expires_ms"] or 0,
    )


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: f"{v['test']}-{v['is_mainnet']}")
def test_every_vector_of_the_sdk_is_met_exactly(vector):
    payload = payload_of(vector)
    signed = PrivateKey(bytes.fromhex(vector["key"][2:])).sign_recoverable(digest_of(payload), hasher=None)
    assert signature_of(signed) == Signature(**vector["signature"])
    assert recover(payload, signed_bytes(Signature(**vector["signature"]))) == vector["address"].lower()


def test_the_connection_id_is_that_of_a_production_order_of_the_sdk():
    wire = {"a": 4, "b": True, "p": "1670.1", "s": "0.0147", "r": False, "t": {"limit": {"tif": "Ioc"}}}
    action = {"type": "order", "orders": [wire], "grouping": "na"}
    payload = l1_payload(action, 1_677_777_606_040, is_mainnet=True)
    connection = keccak_256(payload[1:]).hexdigest()
    assert connection == "0fcbeda5ae3c4950a548021552a4fea2226858c4453571bf3f24ba017eac2908"


async def test_the_signer_signs_orders_and_what_it_signs_tells_its_type():
    signer: Signer = LocalSigner({"sdk": KEY})
    order = next(v for v in VECTORS if v["action"]["type"] == "order" and not v["is_mainnet"])
    payload = payload_of(order)
    assert action_type(payload) == "order"
    [signed] = await signer.sign([SignRequest(key="sdk", action="order", payload=payload)])
    assert signature_of(signed) == Signature(**order["signature"])


async def test_what_moves_money_is_refused_whatever_it_is_called():
    signer = LocalSigner({"sdk": KEY})
    action = {"type": "vaultTransfer", "vaultAddress": "0x" + "1" * 40, "isDeposit": False, "usd": 5}
    payload = l1_payload(action, 1, is_mainnet=True)
    for name in ("vaultTransfer", "order"):
        with pytest.raises(VenueError, match="refuses 'vaultTransfer'"):
            await signer.sign([SignRequest(key="sdk", action=name, payload=payload)])
    with pytest.raises(VenueError, match="unreadable"):
        await signer.sign([SignRequest(key="sdk", action="order", payload=b"a")])


async def test_an_unknown_key_is_named_and_a_wrong_one_is_not_shown():
    payload = l1_payload({"type": "noop"}, 1, is_mainnet=False)
    with pytest.raises(VenueError, match="no key 'other'"):
        await LocalSigner({"sdk": KEY}).sign([SignRequest(key="other", action="noop", payload=payload)])
    secret = "0x" + "zz" * 32
    with pytest.raises(ConfigError, match="'main' is not a private key") as caught:
        LocalSigner({"main": secret})
    assert secret not in str(caught.value)
    assert KEY[2:] not in repr(LocalSigner({"sdk": KEY}))


async def test_a_plain_key_does_not_sign_for_mainnet():
    payload = l1_payload({"type": "noop"}, 1, is_mainnet=True)
    with pytest.raises(VenueError, match="mainnet"):
        await LocalSigner({"sdk": KEY}).sign([SignRequest(key="sdk", action="noop", payload=payload)])


def test_the_network_the_vault_and_the_expiry_are_part_of_what_is_signed():
    plain = l1_payload({"type": "noop"}, 1, is_mainnet=True)
    others = [
        l1_payload({"type": "noop"}, 1, is_mainnet=False),
        l1_payload({"type": "noop"}, 2, is_mainnet=True),
        l1_payload({"type": "noop"}, 1, is_mainnet=True, vault="0x" + "1" * 40),
        l1_payload({"type": "noop"}, 1, is_mainnet=True, expires_ms=1),
    ]
    assert len({plain, *others}) == 5
