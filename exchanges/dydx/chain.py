"""The chain's transactions: what is signed, what is sent, and how both are read back.

    message ──▶ TxBody ─┐
    key, nonce ─▶ AuthInfo ─┴─▶ SignDoc ── signer ──▶ TxRaw ──▶ broadcast_tx_sync

The messages are those of the protobuf files that ccxt ships. They are imported from its folder as a package of their
own, when the first transaction is made: importing them through ccxt would import all of its exchanges (80 MB).
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import sys
import uuid
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from coincurve import PublicKey
from msgspec import Struct

from domain.errors import Unrepresentable, VenueError

SHORT_TERM, CONDITIONAL, LONG_TERM = 0, 32, 64
"""Order flags: in memory until a block height; waiting for a trigger; on the chain until a time."""
UNSPECIFIED, IOC, POST_ONLY = 0, 1, 2
"""Times in force; fill-or-kill exists and is deprecated: the chain refuses it."""
NO_CONDITION, STOP_LOSS, TAKE_PROFIT = 0, 1, 2
PLACE, CANCEL, BATCH_CANCEL = (f"/dydxprotocol.clob.Msg{name}" for name in ("PlaceOrder", "CancelOrder", "BatchCancel"))
TX_EXTENSION = "/dydxprotocol.accountplus.TxExtension"
PUBLIC_KEY = "/cosmos.crypto.secp256k1.PubKey"
GAS_LIMIT = 1_000_000
"""Messages to the order book are free; a limit has to be named all the same."""
_IDS = uuid.UUID("0f9da948-a6fb-4c45-9edc-4685c3f3317d")
"""The namespace in which the indexer derives its ids."""
_PROTOS = "dydx_protobuf_files_of_ccxt"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


@functools.cache
def proto(path: str) -> Any:  # noqa: ANN401 - generated modules have no types
    """One of the generated modules, e.g. `dydxprotocol.clob.order`. Raises `VenueError` when ccxt has none."""
    if _PROTOS not in sys.modules:
        found = importlib.util.find_spec("ccxt")
        folders = (found.submodule_search_locations if found is not None else None) or []
        package = ModuleType(_PROTOS)
        package.__path__ = [str(Path(folder) / "static_dependencies" / "dydx_v4_client") for folder in folders]
        sys.modules[_PROTOS] = package
    try:
        return importlib.import_module(f"{_PROTOS}.{path}_pb2")
    except ImportError as error:
        raise VenueError(f"the installed ccxt has no protobuf file for {path}: {error}") from error


class OrderKey(Struct, frozen=True):
    """What the chain knows an order by; `client_id` has 32 bits."""

    address: str
    subaccount: int
    client_id: int
    flags: int
    pair: int

    @property
    def uuid(self) -> str:
        """The indexer's id of the order, which is derived from the key."""
        return order_uuid(self)


@functools.lru_cache(maxsize=65_536)
def order_uuid(key: OrderKey) -> str:
    """The indexer's id of an order."""
    subaccount = uuid.uuid5(_IDS, f"{key.address}-{key.subaccount}")
    return str(uuid.uuid5(_IDS, f"{subaccount}-{key.client_id}-{key.pair}-{key.flags}"))


class OrderTerms(Struct, frozen=True, kw_only=True):
    """An order in the chain's own integers. `until` is a block height for short-term orders, else seconds of time."""

    key: OrderKey
    side: int
    quantums: int
    subticks: int
    until: int
    time_in_force: int = UNSPECIFIED
    reduce_only: bool = False
    condition: int = NO_CONDITION
    trigger_subticks: int = 0
    metadata: int = 0


def _key_message(key: OrderKey) -> Any:  # noqa: ANN401
    owner = proto("dydxprotocol.subaccounts.subaccount").SubaccountId(owner=key.address, number=key.subaccount)
    return proto("dydxprotocol.clob.order").OrderId(
        subaccount_id=owner, client_id=key.client_id, order_flags=key.flags, clob_pair_id=key.pair
    )


def _until(flags: int, until: int) -> dict[str, int]:
    return {"good_til_block" if flags == SHORT_TERM else "good_til_block_time": until}


def place_message(terms: OrderTerms) -> bytes:
    """MsgPlaceOrder. Raises `Unrepresentable` for a number that does not fit."""
    try:
        order = proto("dydxprotocol.clob.order").Order(
            order_id=_key_message(terms.key),
            side=1 if terms.side > 0 else 2,
            quantums=terms.quantums,
            subticks=terms.subticks,
            time_in_force=terms.time_in_force,
            reduce_only=terms.reduce_only,
            client_metadata=terms.metadata,
            condition_type=terms.condition,
            conditional_order_trigger_subticks=terms.trigger_subticks,
            **_until(terms.key.flags, terms.until),
        )
    except ValueError as error:
        raise Unrepresentable(f"dYdX cannot carry this order: {error}") from error
    encoded: bytes = proto("dydxprotocol.clob.tx").MsgPlaceOrder(order=order).SerializeToString(deterministic=True)
    return encoded


def cancel_message(key: OrderKey, until: int) -> bytes:
    """MsgCancelOrder; `until` may not be before the order's own."""
    message = proto("dydxprotocol.clob.tx").MsgCancelOrder(order_id=_key_message(key), **_until(key.flags, until))
    encoded: bytes = message.SerializeToString(deterministic=True)
    return encoded


def sign_doc(
    kind: str, message: bytes, *, public_key: bytes, nonce: int, account_number: int, chain_id: str, authenticator: int
) -> bytes:
    """Exactly what is signed for one message; a signer is given this and nothing less.

    The account is the message's; `authenticator` is which of its authenticators is to judge the key.
    """
    tx, signing = proto("cosmos.tx.v1beta1.tx"), proto("cosmos.tx.signing.v1beta1.signing")
    chosen = proto("dydxprotocol.accountplus.tx").TxExtension(selected_authenticators=[authenticator])
    extension = _any(TX_EXTENSION, chosen.SerializeToString())
    body = tx.TxBody(messages=[_any(kind, message)], non_critical_extension_options=[extension])
    held = proto("cosmos.crypto.secp256k1.keys").PubKey(key=public_key).SerializeToString()
    mode = tx.ModeInfo(single=tx.ModeInfo.Single(mode=signing.SignMode.SIGN_MODE_DIRECT))
    info = tx.SignerInfo(public_key=_any(PUBLIC_KEY, held), sequence=nonce, mode_info=mode)
    auth = tx.AuthInfo(signer_infos=[info], fee=tx.Fee(gas_limit=GAS_LIMIT))
    doc = tx.SignDoc(
        body_bytes=body.SerializeToString(),
        auth_info_bytes=auth.SerializeToString(),
        chain_id=chain_id,
        account_number=account_number,
    )
    encoded: bytes = doc.SerializeToString()
    return encoded


def _any(kind: str, value: bytes) -> Any:  # noqa: ANN401
    return importlib.import_module("google.protobuf.any_pb2").Any(type_url=kind, value=value)


class Signed(Struct, frozen=True):
    """What is in a document that is to be signed."""

    chain_id: str
    kinds: tuple[str, ...]
    pays: bool
    """It names a fee, or somebody who pays or grants one."""
    authenticators: tuple[int, ...]
    """Which of the account's authenticators is to judge each message."""
    extended: bool
    """It carries anything beside one extension that names them."""


def read_sign_doc(payload: bytes) -> Signed:
    """Raises `VenueError` for what is no sign document."""
    tx = proto("cosmos.tx.v1beta1.tx")
    try:
        doc = tx.SignDoc.FromString(payload)
        body, auth = tx.TxBody.FromString(doc.body_bytes), tx.AuthInfo.FromString(doc.auth_info_bytes)
        options = body.non_critical_extension_options
        extension = proto("dydxprotocol.accountplus.tx").TxExtension
        chosen = [i for option in options for i in extension.FromString(option.value).selected_authenticators]
    except Exception as error:  # protobuf's DecodeError, whose module depends on the implementation
        raise VenueError("this is not a dYdX transaction: it cannot be read") from error
    extended = len(body.extension_options) > 0 or [option.type_url for option in options] != [TX_EXTENSION]
    pays = len(auth.fee.amount) > 0 or bool(auth.fee.payer) or bool(auth.fee.granter)
    kinds = tuple(message.type_url for message in body.messages)
    return Signed(doc.chain_id, kinds, pays, tuple(chosen), extended)


def raw_tx(payload: bytes, signature: bytes) -> bytes:
    """The transaction as it is broadcast: the signed document's parts and the first 64 bytes of the signature."""
    tx = proto("cosmos.tx.v1beta1.tx")
    doc = tx.SignDoc.FromString(payload)
    raw = tx.TxRaw(body_bytes=doc.body_bytes, auth_info_bytes=doc.auth_info_bytes, signatures=[signature[:64]])
    encoded: bytes = raw.SerializeToString()
    return encoded


def digest_of(payload: bytes) -> bytes:
    """The 32 bytes that are signed."""
    return hashlib.sha256(payload).digest()


def recover(payload: bytes, signed: bytes) -> bytes:
    """The compressed public key that made a signature of 65 bytes. Raises `ValueError` for one that nobody made."""
    return PublicKey.from_signature_and_message(signed, digest_of(payload), hasher=None).format()


def address_of(public_key: bytes) -> str:
    """The address of a compressed public key: bech32 of the RIPEMD-160 of its SHA-256."""
    words = list(_words(hashlib.new("ripemd160", hashlib.sha256(public_key).digest()).digest()))
    prefix = [ord(c) >> 5 for c in "dydx"] + [0] + [ord(c) & 31 for c in "dydx"]
    check = _polymod([*prefix, *words, 0, 0, 0, 0, 0, 0]) ^ 1
    words += [check >> 5 * (5 - i) & 31 for i in range(6)]
    return "dydx1" + "".join(_BECH32[word] for word in words)


def _words(data: bytes) -> Iterable[int]:
    number, length = int.from_bytes(data, "big"), len(data) * 8
    return (number >> shift & 31 for shift in range(length - 5, -1, -5))


def _polymod(values: Iterable[int]) -> int:
    state = 1
    for value in values:
        top = state >> 25
        state = (state & 0x1FFFFFF) << 5 ^ value
        for bit, term in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            if top >> bit & 1:
                state ^= term
    return state
