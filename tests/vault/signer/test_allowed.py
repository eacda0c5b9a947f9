"""What no venue's signer signs, through the vault and the socket: everything that moves money or gives rights.

The payloads are those of the venues' own clients (ccxt, the official SDKs), and crafted ones that pretend to be orders.
"""

import asyncio
import contextlib
import hashlib
import hmac
import json
from typing import Any

import ccxt
import msgspec
import pytest
from eth_account import Account
from hyperliquid.utils import signing as sdk
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import VenueError
from domain.ports import SignRequest
from exchanges.hyperliquid.signing import ALLOWED as HYPERLIQUID_ALLOWED
from exchanges.hyperliquid.signing import l1_payload
from exchanges.shared.fleet import make_key, open_signers
from tests.exchanges.dydx.test_chain import TRANSFER, changed, doc
from tests.exchanges.hyperliquid.exchange_room import AGENT_KEY, MASTER
from tests.vault.signer.room import Service, serving
from vault.signer.ring import KeyRing
from vault.store import Vault

SECRET = "hmac-secret-of-a-venue"
HMAC_VENUES = ("BINANCE", "BYBIT", "PHEMEX")
ACTIONS = ("order", "amend", "cancel", "read", "terms", "login")


@pytest.fixture
async def client(vault: Vault, tmp_path: Any) -> Any:
    """A signer with a key of each venue, behind its socket."""
    fields = []
    for venue in ("HYPERLIQUID", "DYDX", *HMAC_VENUES):
        vault.put(venue.lower(), "exchange", AGENT_KEY if venue in {"HYPERLIQUID", "DYDX"} else SECRET)
        accounts = [{"id": f"{venue}:main", "key": venue.lower(), "address": MASTER}]
        fields.append({"venue": venue, "network": "testnet", "accounts": accounts})
    vault.put("wallet", "owner", "0x" + "77" * 32)
    ring = KeyRing(vault, lambda keys: open_signers(fields, keys), make_key)
    async with serving(tmp_path, {}, ring=ring) as (_, client):
        yield client


async def refused(client: Any, venue: str, payload: bytes, actions: Any) -> None:
    for action in actions:
        with pytest.raises(VenueError):
            await client.sign(venue, [SignRequest(key=venue.lower(), action=action, payload=payload)])


def hyperliquid_actions() -> list[dict[str, Any]]:
    """Everything of the SDK that is no trading."""
    to, coin = "0x" + "1" * 40, "USDC:0x" + "2" * 32
    return [
        {"type": "withdraw3", "destination": to, "amount": "1", "time": 1},
        {"type": "usdSend", "destination": to, "amount": "1", "time": 1},
        {"type": "spotSend", "destination": to, "token": coin, "amount": "1", "time": 1},
        {"type": "usdClassTransfer", "amount": "1", "toPerp": False, "nonce": 1},
        {"type": "sendAsset", "destination": to, "sourceDex": "", "destinationDex": "", "token": coin, "amount": "1"},
        {"type": "subAccountTransfer", "subAccountUser": to, "isDeposit": False, "usd": 1},
        {"type": "subAccountSpotTransfer", "subAccountUser": to, "isDeposit": False, "token": coin, "amount": "1"},
        {"type": "vaultTransfer", "vaultAddress": to, "isDeposit": False, "usd": 1},
        {"type": "approveAgent", "agentAddress": to, "agentName": "x", "nonce": 1},
        {"type": "approveBuilderFee", "maxFeeRate": "1%", "builder": to, "nonce": 1},
        {"type": "convertToMultiSigUser", "signers": "[]", "nonce": 1},
        {"type": "multiSig", "signatures": [], "payload": {}},
        {"type": "createSubAccount", "name": "x"},
        {"type": "setReferrer", "code": "x"},
        {"type": "tokenDelegate", "validator": to, "wei": 1, "isUndelegate": False, "nonce": 1},
        {"type": "cWithdraw", "wei": 1},
        {"type": "spotDeploy", "transferUserGenesis": {}},
        {"type": "evmUserModify", "usingBigBlocks": True},
        {"type": "agentEnableDexAbstraction"},
        {"type": "updateIsolatedMargin", "asset": 0, "isBuy": True, "ntli": 1},
        {"type": "twapOrder", "twap": {}},
        {"type": "Order"},
        {"type": "order\x00"},
        {"type": "orders"},
    ]


@pytest.mark.parametrize("action", hyperliquid_actions(), ids=lambda action: repr(action["type"]))
async def test_hyperliquid(client, action):
    payload = l1_payload(action, 1, is_mainnet=False)
    await refused(client, "HYPERLIQUID", payload, [*sorted(HYPERLIQUID_ALLOWED), action["type"], ""])


async def test_hyperliquid_pretending(client):
    """The type is read where the venue reads it: a second one, one that comes later, or another form is no order."""
    transfer = msgspec.msgpack.encode({"type": "usdSend", "amount": "1"})
    tail = (1).to_bytes(8, "big") + b"\x00"
    twice = b"\x82\xa4type\xa4noop\xa4type\xa7usdSend"
    crafted = [
        b"b" + b"\x82\xa6amount\xa11\xa4type\xa5order" + tail,
        b"b" + b"\xde\x00\x01\xa4type\xa4noop" + tail,
        b"b" + b"\x81\xd9\x04type\xa4noop" + tail,
        b"b" + b"\x81\xa4type\xd9\x04noop" + tail,
        b"b" + transfer + msgspec.msgpack.encode({"type": "noop"}) + tail,
        b"c" + b"\x81\xa4type\xa4noop" + tail,
        b"",
        b"b",
        twice[:3],
    ]
    for payload in crafted:
        await refused(client, "HYPERLIQUID", payload, ["noop", "order"])


async def test_a_wallets_own_transfer_cannot_be_reached_by_any_payload(client):
    """Withdrawals of the wallet are signed under another domain: no payload's digest is one, whatever is in it."""
    action = {"type": "withdraw3", "destination": "0x" + "1" * 40, "amount": "1", "time": 1}
    wallet = Account.from_key(AGENT_KEY)
    theirs = sdk.sign_withdraw_from_bridge_action(wallet, dict(action), False)
    [ours] = await client.sign(
        "HYPERLIQUID",
        [SignRequest(key="hyperliquid", action="noop", payload=l1_payload({"type": "noop"}, 1, is_mainnet=False))],
    )
    assert int(theirs["r"], 16).to_bytes(32, "big") != ours[:32]


async def test_dydx(client):
    for payload in [
        doc("/dydxprotocol.sending.MsgCreateTransfer", b""),
        doc("/cosmos.bank.v1beta1.MsgSend", b""),
        doc("/dydxprotocol.sending.MsgWithdrawFromSubaccount", b""),
        doc("/dydxprotocol.accountplus.MsgAddAuthenticator", b""),
        doc("/cosmos.authz.v1beta1.MsgGrant", b""),
        changed(doc("/dydxprotocol.clob.MsgPlaceOrder", b""), also=TRANSFER),
        b"",
        b"\xff" * 40,
    ]:
        await refused(client, "DYDX", payload, ["place", "cancel", "batchCancel", "", "transfer"])


def ccxt_requests() -> list[Any]:
    """What ccxt would have signed, venue by venue, with the endpoints' own parameters."""
    to = "0x" + "1" * 40
    binance = [
        ("sapi", "POST", "capital/withdraw/apply", {"coin": "USDT", "address": to, "amount": "1", "network": "ETH"}),
        ("sapi", "POST", "asset/transfer", {"type": "UMFUTURE_MAIN", "asset": "USDT", "amount": "1"}),
        ("sapi", "POST", "sub-account/universalTransfer", {"toEmail": "x@y.z", "asset": "USDT", "amount": "1"}),
        ("sapi", "POST", "futures/transfer", {"asset": "USDT", "amount": "1", "type": 2}),
        ("sapi", "POST", "account/apiRestrictions/ipRestriction", {"accountApiKey": "x", "ipAddress": "1.2.3.4"}),
        (
            "sapi",
            "POST",
            "localentity/withdraw/apply",
            {"coin": "USDT", "address": to, "amount": "1", "questionnaire": ""},
        ),
    ]
    bybit = [
        ("private", "POST", "v5/asset/withdraw/create", {"coin": "USDT", "chain": "ETH", "address": to, "amount": "1"}),
        ("private", "POST", "v5/asset/transfer/inter-transfer", {"transferId": "1", "coin": "USDT", "amount": "1"}),
        ("private", "POST", "v5/asset/transfer/universal-transfer", {"transferId": "1", "coin": "USDT", "amount": "1"}),
        ("private", "POST", "v5/user/create-sub-api", {"subuid": 1, "readOnly": 0, "permissions": {}}),
        ("private", "POST", "v5/user/update-api", {"readOnly": 0, "permissions": {"Wallet": ["Withdraw"]}}),
        ("private", "POST", "v5/lending/redeem", {"coin": "USDT", "quantity": "1"}),
    ]
    phemex = [
        ("private", "POST", "phemex-withdraw/wallets/api/createWithdraw", {"currency": "USDT", "address": to}),
        ("private", "POST", "assets/transfer", {"amount": 1, "moveOp": 1, "currency": "USDT"}),
        ("private", "POST", "assets/universal-transfer", {"amountEv": 1, "currency": "USDT", "fromUserId": 1}),
        ("private", "POST", "assets/convert", {"fromCurrency": "USDT", "toCurrency": "BTC", "amount": 1}),
    ]
    names = {"BINANCE": ("binanceusdm", binance), "BYBIT": ("bybit", bybit), "PHEMEX": ("phemex", phemex)}
    return [
        pytest.param(venue, name, *each, id=f"{venue}-{each[2]}")
        for venue, (name, found) in names.items()
        for each in found
    ]


@pytest.mark.parametrize(("venue", "name", "api", "method", "endpoint", "params"), ccxt_requests())
async def test_what_ccxt_would_sign_to_move_money(client, venue, name, api, method, endpoint, params):
    seen: list[bytes] = []
    exchange = getattr(ccxt, name)({"apiKey": "public-half-of-a-key", "secret": SECRET})

    def spying(request: Any, secret: Any, algorithm: Any = None, digest: str = "hex") -> str:
        seen.append(request if isinstance(request, bytes) else request.encode())
        return hmac.new(b"x", seen[-1], hashlib.sha256).hexdigest()

    exchange.hmac = spying
    exchange.sign(endpoint, [api], method, params)
    assert seen, "ccxt signs this"
    for payload in seen:
        await refused(client, venue, payload, ACTIONS)


@pytest.mark.parametrize("venue", HMAC_VENUES)
@pytest.mark.parametrize(
    "name", ["address", "amount", "coin", "asset", "toEmail", "destination", "permissions", "moveOp"]
)
async def test_an_order_with_one_parameter_of_a_withdrawal_is_refused(client, venue, name):
    order = {"symbol": "BTCUSDT", "side": "Buy", name: "1"}
    query = "&".join(f"{key}={value}" for key, value in order.items())
    payloads = {
        "BINANCE": [f"timestamp=1700000000000&{query}", f"{name}=1&timestamp=1700000000000"],
        "BYBIT": [f"1700000000000key5000{json.dumps(order)}", f"1700000000000key5000{query}"],
        "PHEMEX": [
            f"/g-orders{query}1700000000",
            f"/g-orders1700000000{json.dumps(order)}",
            f"/assets/transfer{query}1700000000",
        ],
    }
    for payload in payloads[venue]:
        await refused(client, venue, payload.encode(), ACTIONS)


@pytest.mark.parametrize("venue", HMAC_VENUES)
async def test_payloads_that_two_readers_read_differently_are_refused(client, venue):
    """Another encoding of a name, a second question mark, an upper case or a duplicate hides nothing."""
    forms = [
        "timestamp=1700000000000&symbol=BTCUSDT&%61mount=1",
        "timestamp=1700000000000&symbol=BTCUSDT&Amount=1",
        "timestamp=1700000000000;amount=1",
        "timestamp=1700000000000&symbol=BTCUSDT\namount=1",
        "timestamp=1700000000000&symbol=B\u00e4r",
        "/assets/transfer?amount=1",
        "/g-orders/../assets/transferamount=11700000000",
        '1700000000000key5000{"symbol":"BTCUSDT","request":[{"address":"0x1"}]}',
        '1700000000000key5000{"symbol":"BTCUSDT"}{"address":"0x1"}',
        'timestamp=1700000000000&batchOrders=[{"symbol":"BTCUSDT","address":"0x1"}]',
    ]
    for payload in forms:
        await refused(client, venue, payload.encode(), ACTIONS)


async def test_an_owners_key_is_no_key_of_any_venue(client):
    payloads = {
        "HYPERLIQUID": ("noop", l1_payload({"type": "noop"}, 1, is_mainnet=False)),
        "BINANCE": ("read", b"timestamp=1700000000000"),
    }
    for venue, (action, payload) in payloads.items():
        with pytest.raises(VenueError, match="no key 'wallet'"):
            await client.sign(venue, [SignRequest(key="wallet", action=action, payload=payload)])
    for venue, other, payload in [
        ("BINANCE", "bybit", b"timestamp=1700000000000"),
        ("BYBIT", "binance", b"1700000000000key5000category=linear"),
    ]:
        with pytest.raises(VenueError, match="no key"):
            await client.sign(venue, [SignRequest(key=other, action="read", payload=payload)])


@given(st.binary(max_size=200), st.sampled_from(("HYPERLIQUID", "DYDX", *HMAC_VENUES)), st.sampled_from(ACTIONS))
def test_noise_is_refused_or_harmless_and_never_breaks_a_signer(payload, venue, action):
    """Driven without the socket: the venues' own signers must answer whatever comes with a signature or a refusal."""
    signer = open_signers(
        [{"venue": venue, "network": "testnet", "accounts": [{"id": f"{venue}:main", "key": "k"}]}], Plain()
    )[venue]
    with contextlib.suppress(VenueError):
        asyncio.run(signer.sign([SignRequest(key="k", action=action, payload=payload)]))


class Plain(Service):
    burned = ()

    def get(self, name: str) -> str:
        return AGENT_KEY

    def has(self, name: str) -> bool:
        return name == "k"

    def owners(self) -> list[str]:
        return []
