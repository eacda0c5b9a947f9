"""Transactions are ccxt's to the byte; the signer signs orders and nothing else, and never for mainnet."""

import base64
from typing import Any

import ccxt.async_support as ccxt_async
import pytest
from coincurve import PrivateKey

from domain.errors import ConfigError, Unrepresentable, VenueError
from domain.order import BUY
from domain.ports import SignRequest
from exchanges.dydx import chain
from exchanges.dydx.chain import CONDITIONAL, LONG_TERM, PLACE, SHORT_TERM, OrderKey, OrderTerms
from exchanges.dydx.config import LOCAL_CHAIN, MAINNET
from exchanges.dydx.signing import LocalSigner
from tests.exchanges.dydx.chain_facts import ADDRESS, TRADING_KEY, TRADING_PUBLIC_KEY, verified

NONCE, NUMBER, AUTHENTICATOR = 1_700_000_000_123, 7, 17
REAL_ADDRESS = "dydx14zzueazeh0hj67cghhf9jypslcf9sh2n5k6art"
ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def doc(kind: str, message: bytes, chain_id: str = LOCAL_CHAIN) -> bytes:
    return chain.sign_doc(
        kind, message, public_key=TRADING_PUBLIC_KEY, nonce=NONCE, account_number=NUMBER, chain_id=chain_id,
        authenticator=AUTHENTICATOR,
    )  # fmt: skip


def terms(flags: int, **changes: int) -> OrderTerms:
    options: dict = {"quantums": 10**8, "subticks": 49_000 * 10**5, "until": 1_020, **changes}
    return OrderTerms(key=OrderKey(ADDRESS, 0, 4_000_000_000, flags, 0), side=BUY, metadata=3_000_000_000, **options)


@pytest.mark.parametrize(
    ("order", "wire"),
    [
        (terms(SHORT_TERM, time_in_force=chain.IOC), {"goodTilBlock": 1_020, "timeInForce": 1}),
        (terms(LONG_TERM, time_in_force=chain.POST_ONLY), {"goodTilBlockTime": 1_020, "timeInForce": 2}),
        (
            terms(CONDITIONAL, time_in_force=chain.IOC, condition=1, trigger_subticks=5, reduce_only=True),
            {"goodTilBlockTime": 1_020, "timeInForce": 1, "conditionType": 1, "conditionalOrderTriggerSubticks": 5,
             "reduceOnly": True},
        ),
    ],
)  # fmt: skip
async def test_what_is_signed_is_what_ccxt_signs_to_the_byte(order, wire):
    client = ccxt_async.dydx()
    client.milliseconds = lambda: NONCE
    key = {"subaccountId": {"owner": ADDRESS, "number": 0}, "clientId": 4_000_000_000, "orderFlags": order.key.flags}
    value = {"orderId": key, "side": 1, "quantums": 10**8, "subticks": 49_000 * 10**5, "clientMetadata": 3_000_000_000}
    message = {"typeUrl": PLACE, "value": {"order": value | wire}}
    account = {"pub_key": {"key": base64.b64encode(TRADING_PUBLIC_KEY).decode()}, "account_number": str(NUMBER)}
    _, theirs = client.encode_dydx_tx_for_signing(message, "", LOCAL_CHAIN, account, [AUTHENTICATOR])
    await client.close()
    assert doc(PLACE, chain.place_message(order)) == theirs.SerializeToString()


def test_a_number_that_does_not_fit_is_refused():
    with pytest.raises(Unrepresentable):
        chain.place_message(terms(LONG_TERM, quantums=2**64))


def test_an_address_is_bech32_of_the_keys_hash_with_the_chains_own_checksum():
    generator = PrivateKey((1).to_bytes(32, "big")).public_key.format()
    assert chain.address_of(generator).startswith("dydx1w508d6qejxtdg4y5r3zarvary0c5xw7k"), "as in BIP 173"
    prefix = [ord(c) >> 5 for c in "dydx"] + [0] + [ord(c) & 31 for c in "dydx"]
    for address in (REAL_ADDRESS, chain.address_of(generator)):
        assert chain._polymod([*prefix, *(ALPHABET.index(c) for c in address[5:])]) == 1


async def test_a_signature_is_the_keys_own_and_tells_its_public_half():
    payload = doc(PLACE, chain.place_message(terms(LONG_TERM)))
    [signed] = await LocalSigner({"trader": TRADING_KEY}).sign(
        [SignRequest(key="trader", action="place", payload=payload)]
    )
    assert verified(TRADING_PUBLIC_KEY, signed[:64], chain.digest_of(payload))
    assert chain.recover(payload, signed) == TRADING_PUBLIC_KEY


def transfer() -> bytes:
    sending = chain.proto("dydxprotocol.sending.tx")
    return sending.MsgCreateTransfer().SerializeToString()


TRANSFER = "/dydxprotocol.sending.MsgCreateTransfer"
SEND = "/cosmos.bank.v1beta1.MsgSend"


@pytest.mark.parametrize("action", ["transfer", "place", TRANSFER])
@pytest.mark.parametrize("kind", [TRANSFER, SEND, "/dydxprotocol.sending.MsgWithdrawFromSubaccount"])
async def test_what_moves_money_is_never_signed_whatever_it_is_called(kind, action):
    request = SignRequest(key="trader", action=action, payload=doc(kind, transfer()))
    with pytest.raises(VenueError, match="refuses"):
        await LocalSigner({"trader": TRADING_KEY}).sign([request])


def changed(payload: bytes, **changes: Any) -> bytes:
    """The same document with more in its body or its fee."""
    tx = chain.proto("cosmos.tx.v1beta1.tx")
    found = tx.SignDoc.FromString(payload)
    body, auth = tx.TxBody.FromString(found.body_bytes), tx.AuthInfo.FromString(found.auth_info_bytes)
    if "also" in changes:
        body.messages.add(type_url=changes["also"], value=transfer())
    if "plain" in changes:
        del body.non_critical_extension_options[:]
    if "extension" in changes:
        body.non_critical_extension_options.add(type_url=changes["extension"])
    if "critical" in changes:
        body.extension_options.add(type_url=changes["critical"])
    if "chosen" in changes:
        body.non_critical_extension_options[0].value = bytes([0x0A, len(changes["chosen"]), *changes["chosen"]])
    if "fee" in changes:
        auth.fee.amount.add(denom="adydx", amount=changes["fee"])
    found.body_bytes, found.auth_info_bytes = body.SerializeToString(), auth.SerializeToString()
    return found.SerializeToString()


@pytest.mark.parametrize(
    "changes",
    [
        {"also": TRANSFER},
        {"also": PLACE},
        {"plain": True},
        {"extension": chain.TX_EXTENSION},
        {"extension": "/cosmos.other.Extension"},
        {"critical": chain.TX_EXTENSION},
        {"chosen": (17, 18)},
        {"chosen": ()},
        {"fee": "1000"},
    ],
)
async def test_an_order_with_something_beside_it_or_without_its_authenticator_is_not_signed(changes):
    payload = changed(doc(PLACE, chain.place_message(terms(LONG_TERM))), **changes)
    with pytest.raises(VenueError, match="refuses"):
        await LocalSigner({"trader": TRADING_KEY}).sign([SignRequest(key="trader", action="place", payload=payload)])


async def test_a_plain_key_signs_nothing_for_mainnet():
    payload = doc(PLACE, chain.place_message(terms(LONG_TERM)), MAINNET.chain_id)
    with pytest.raises(VenueError, match="mainnet"):
        await LocalSigner({"trader": TRADING_KEY}).sign([SignRequest(key="trader", action="place", payload=payload)])


@pytest.mark.parametrize("payload", [b"", b"\xff\xff\xff", b"hello"])
async def test_bytes_that_are_no_transaction_are_not_signed(payload):
    with pytest.raises(VenueError):
        await LocalSigner({"trader": TRADING_KEY}).sign([SignRequest(key="trader", action="place", payload=payload)])


def test_a_key_is_never_shown():
    with pytest.raises(ConfigError) as caught:
        LocalSigner({"trader": "secret-words-of-mine"})
    assert "secret-words" not in str(caught.value)
    assert TRADING_KEY[2:] not in repr(LocalSigner({"trader": TRADING_KEY}))
