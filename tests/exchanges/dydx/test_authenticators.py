"""What a permissioned key may sign: orders and nothing else, by the chain's rules too.

The chain's side is `ante`, written from its code; the client's is `exchanges.dydx.authenticators`.
"""

from typing import Any

import pytest
from coincurve import PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import ConfigError
from exchanges.dydx import chain
from exchanges.dydx.authenticators import Authenticator, check
from exchanges.dydx.chain import BATCH_CANCEL, CANCEL, PLACE, SHORT_TERM, OrderKey
from exchanges.dydx.config import LOCAL_CHAIN, DydxAccount
from tests.exchanges.dydx.ante import ADD, MESSAGES, TRANSFER, Asked, Refused, authenticate
from tests.exchanges.dydx.chain_facts import (
    ADDRESS,
    KEY,
    PUBLIC_KEY,
    TRADING_KEY,
    TRADING_PUBLIC_KEY,
    composite,
    trading_authenticator,
)
from tests.exchanges.dydx.node_room import Room

Tree = tuple[str, bytes]
OURS: Tree = ("SignatureVerification", TRADING_PUBLIC_KEY)
ACCOUNT = DydxAccount(id="DYDX:main", address=ADDRESS, key="trader", authenticator=0)


def messages(*names: str) -> Tree:
    return "MessageFilter", ",".join(names).encode()


def all_of(*parts: Tree) -> Tree:
    return "AllOf", composite(*parts)


def any_of(*parts: Tree) -> Tree:
    return "AnyOf", composite(*parts)


def checked(*trees: Tree, pairs: tuple[int, ...] = (0, 1)) -> int:
    found = [Authenticator(id=str(i), type=kind, config=config) for i, (kind, config) in enumerate(trees)]
    return check(ACCOUNT, TRADING_PUBLIC_KEY, found, pairs)


@pytest.mark.parametrize(
    "tree",
    [
        pytest.param(trading_authenticator(), id="as the venue's page makes them"),
        pytest.param(all_of(OURS, messages(PLACE, CANCEL, BATCH_CANCEL)), id="one filter for all"),
        pytest.param(all_of(OURS, messages(PLACE, CANCEL), ("ClobPairIdFilter", b"0,1")), id="these contracts"),
        pytest.param(
            any_of(all_of(OURS, messages(PLACE)), all_of(OURS, messages(CANCEL))), id="each message for itself"
        ),
        pytest.param(all_of(any_of(("SignatureVerification", PUBLIC_KEY), OURS), messages(PLACE, CANCEL)), id="a team"),
    ],
)
def test_a_key_that_may_sign_orders_and_nothing_else_is_taken(tree):
    assert checked(tree) == 0


ORDERS = messages(PLACE, CANCEL)
OF_ANOTHER: Tree = ("SignatureVerification", PUBLIC_KEY)


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        pytest.param(OURS, "sign other messages", id="no filter at all"),
        pytest.param(all_of(OURS, messages(PLACE, CANCEL, TRANSFER)), f"sign {TRANSFER}", id="transfers"),
        pytest.param(all_of(OURS, messages(PLACE, CANCEL, ADD)), f"sign {ADD}", id="could give itself more"),
        pytest.param(any_of(OURS, ORDERS), "sign other messages", id="any of key and filter"),
        pytest.param(all_of(OURS, ("SubaccountFilter", b"0")), "sign other messages", id="filters orders alone"),
        pytest.param(all_of(OURS, ("ClobPairIdFilter", b"0,1")), "sign other messages", id="contracts alone"),
        pytest.param(all_of(OURS, any_of(ORDERS, messages(TRANSFER))), f"sign {TRANSFER}", id="deep inside"),
        pytest.param(all_of(OURS, ("CosmwasmAuthenticator", b"?")), "sign other messages", id="not known here"),
        pytest.param(("AllOf", b"not JSON"), "sign other messages", id="cannot be read"),
        pytest.param(all_of(OF_ANOTHER, ORDERS), "is it another key's", id="another key"),
        pytest.param(all_of(OURS, messages(PLACE)), f"does not let .* sign {CANCEL}", id="no cancels"),
        pytest.param(all_of(OURS, ORDERS, ("SubaccountFilter", b"1")), "does not let", id="another subaccount"),
        pytest.param(all_of(OURS, ORDERS, ("SubaccountFilter", b"\0")), "does not let", id="of no number"),
        pytest.param(all_of(OURS, ORDERS, ("ClobPairIdFilter", b"0")), "clob pair 1", id="another contract"),
        pytest.param(all_of(ORDERS, ("SubaccountFilter", b"0")), "anybody could trade", id="no key"),
    ],
)
def test_any_other_is_refused_with_the_reason(tree, words):
    with pytest.raises(ConfigError, match=words) as refused:
        checked(tree)
    assert "authenticator_id" in str(refused.value), "what to do"


def test_what_the_account_lets_other_keys_sign_is_not_this_keys_affair():
    assert checked(trading_authenticator(), all_of(OF_ANOTHER, messages(TRANSFER)), OF_ANOTHER) == 0


LEAVES = st.sampled_from(
    [
        OURS, OF_ANOTHER, ORDERS, messages(PLACE), messages(CANCEL, BATCH_CANCEL), messages(TRANSFER), messages(ADD),
        ("SubaccountFilter", b"0"), ("SubaccountFilter", b"1"), ("ClobPairIdFilter", b"0,1"),
    ]
)  # fmt: skip
TREES = st.recursive(
    LEAVES, lambda parts: st.lists(parts, min_size=2, max_size=4).map(lambda p: any_of(*p)) | st.lists(
        parts, min_size=2, max_size=4).map(lambda p: all_of(*p)), max_leaves=8
)  # fmt: skip


def lets(tree: Tree, kind: str, key: bytes) -> bool:
    """By the chain: a signature of the key under a message about subaccount 0 and the contract 0."""
    module, _ = MESSAGES[kind]
    message: Any = getattr(chain.proto(module), kind.rpartition(".")[2])()
    try:
        authenticate(*tree, Asked(kind, message, lambda wanted: wanted == key))
    except Refused:
        return False
    return True


@settings(max_examples=100, deadline=None)
@given(tree=TREES)
def test_start_and_chain_are_of_one_mind(tree):
    try:
        is_taken = checked(tree) == 0
    except ConfigError:
        is_taken = False
    may = {kind for kind in MESSAGES if lets(tree, kind, TRADING_PUBLIC_KEY)}
    assert is_taken == ({PLACE, CANCEL} <= may <= {PLACE, CANCEL, BATCH_CANCEL} and not lets(tree, PLACE, b""))


def sent(room: Room, kind: str, message: bytes, key: str, authenticator: int | None) -> tuple[int, str, str]:
    """What the node says of a transaction, signed by somebody who asks no signer of ours."""
    private = PrivateKey(bytes.fromhex(key[2:]))
    payload = chain.sign_doc(
        kind, message, public_key=private.public_key.format(), nonce=room.time_ns // 10**6,
        account_number=room.holders[ADDRESS].number, chain_id=LOCAL_CHAIN, authenticator=authenticator or 0,
    )  # fmt: skip
    if authenticator is None:
        tx = chain.proto("cosmos.tx.v1beta1.tx")
        doc = tx.SignDoc.FromString(payload)
        body = tx.TxBody.FromString(doc.body_bytes)
        del body.non_critical_extension_options[:]
        doc.body_bytes = body.SerializeToString()
        payload = doc.SerializeToString()
    return room.check_tx(chain.raw_tx(payload, private.sign_recoverable(chain.digest_of(payload), hasher=None)))


def test_the_local_chain_lets_a_trading_key_cancel_and_neither_transfer_nor_let_itself_do_more():
    room = Room("100000")
    cancel = chain.cancel_message(OrderKey(ADDRESS, 0, 7, SHORT_TERM, 0), room.height + 5)
    assert sent(room, CANCEL, cancel, TRADING_KEY, 0) == (0, "", "[]")
    assert sent(room, CANCEL, cancel, TRADING_KEY, 1)[:2] == (1, "accountplus"), "an id that is not there"
    assert sent(room, CANCEL, cancel, TRADING_KEY, None)[0], "not the account's own"
    assert sent(room, CANCEL, cancel, "0x" + "44" * 32, 0)[:2] == (100, "accountplus")
    transfer = chain.proto("dydxprotocol.sending.tx").MsgCreateTransfer()
    transfer.transfer.sender.owner = ADDRESS
    assert "all sub-authenticators failed" in sent(room, TRANSFER, transfer.SerializeToString(), TRADING_KEY, 0)[2]
    kind, config = all_of(OURS, messages(TRANSFER))
    add = chain.proto("dydxprotocol.accountplus.tx").MsgAddAuthenticator(
        sender=ADDRESS, authenticator_type=kind, data=config
    )
    assert sent(room, ADD, add.SerializeToString(), TRADING_KEY, 0)[0], "it cannot give itself more"
    assert sent(room, ADD, add.SerializeToString(), KEY, None)[0] == 0
    room.produce()
    assert sent(room, TRANSFER, transfer.SerializeToString(), TRADING_KEY, 1)[0] == 0, "a key that a start refuses"
    with pytest.raises(ConfigError, match=TRANSFER):
        checked(*room.holders[ADDRESS].authenticators.values())
