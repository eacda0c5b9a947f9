"""Who may send what on the local chain: an account's own key, or a key that one of its authenticators lets through.

After the published code of `x/accountplus`: its rules, codes and words. A transaction that names no authenticator takes
the classic way. Nothing here is shared with the client that it judges but the decoding of protobuf.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from exchanges.dydx import chain
from exchanges.dydx.chain import BATCH_CANCEL, CANCEL, PLACE, address_of
from exchanges.dydx.config import LOCAL_CHAIN
from tests.exchanges.dydx.chain_facts import verified
from tests.exchanges.dydx.holders import Holder

ADD = "/dydxprotocol.accountplus.MsgAddAuthenticator"
TRANSFER = "/dydxprotocol.sending.MsgCreateTransfer"
MESSAGES: dict[str, tuple[str, Callable[[Any], str]]] = {
    PLACE: ("dydxprotocol.clob.tx", lambda m: m.order.order_id.subaccount_id.owner),
    CANCEL: ("dydxprotocol.clob.tx", lambda m: m.order_id.subaccount_id.owner),
    BATCH_CANCEL: ("dydxprotocol.clob.tx", lambda m: m.subaccount_id.owner),
    ADD: ("dydxprotocol.accountplus.tx", lambda m: m.sender),
    TRANSFER: ("dydxprotocol.sending.tx", lambda m: m.transfer.sender.owner),
}
"""Where a message is defined, and whose it is."""
Checked: TypeAlias = tuple[int, str, str]
"""Code, codespace and log of CheckTx; code 0 = taken."""


class Refused(Exception):
    """What CheckTx answers instead."""

    def __init__(self, code: int, codespace: str, log: str) -> None:
        super().__init__(code, codespace, log)
        self.checked: Checked = (code, codespace, log)


@dataclass
class Admitted:
    """A message whose account has agreed to it."""

    kind: str
    message: Any
    holder: Holder
    nonce: int


@dataclass
class Asked:
    """What an authenticator is asked; `signed_by` verifies the signature with a public key."""

    kind: str
    message: Any
    signed_by: Callable[[bytes], bool]


def admitted(holders: Mapping[str, Holder], raw: bytes) -> Admitted:
    """The one message of a transaction. Raises `Refused`."""
    tx, keys = chain.proto("cosmos.tx.v1beta1.tx"), chain.proto("cosmos.crypto.secp256k1.keys")
    try:
        outer = tx.TxRaw.FromString(raw)
        body, auth = tx.TxBody.FromString(outer.body_bytes), tx.AuthInfo.FromString(outer.auth_info_bytes)
        [found], [signer], [signature] = body.messages, auth.signer_infos, outer.signatures
        public_key = keys.PubKey.FromString(signer.public_key.value).key
    except Exception as error:
        raise Refused(2, "sdk", f"tx parse error: {error}") from error
    if found.type_url not in MESSAGES:
        raise Refused(2, "sdk", f"nobody taught the local venue {found.type_url}")
    module, owner_of = MESSAGES[found.type_url]
    message = getattr(chain.proto(module), found.type_url.rpartition(".")[2]).FromString(found.value)
    owner = owner_of(message)
    chosen = selected(body)
    holder = holders.get(owner if chosen else address_of(public_key))
    if holder is None:
        raise Refused(9, "sdk", f"account {owner} not found: unknown address")
    doc = tx.SignDoc(
        body_bytes=outer.body_bytes,
        auth_info_bytes=outer.auth_info_bytes,
        chain_id=LOCAL_CHAIN,
        account_number=holder.number,
    )
    digest = hashlib.sha256(doc.SerializeToString()).digest()
    asked = Asked(found.type_url, message, lambda key: verified(key, signature, digest))
    if chosen:
        judge(holder, owner, chosen, asked)
    else:
        classic(holder, owner, public_key, asked)
    return Admitted(found.type_url, message, holder, signer.sequence)


def selected(body: Any) -> Sequence[int]:
    """What the first extension of the kind names; without one the transaction goes the classic way."""
    for option in body.non_critical_extension_options:
        if option.type_url == chain.TX_EXTENSION:
            extension = chain.proto("dydxprotocol.accountplus.tx").TxExtension.FromString(option.value)
            return tuple(extension.selected_authenticators)
    return ()


def classic(holder: Holder, owner: str, public_key: bytes, asked: Asked) -> None:
    """The account's own key."""
    if not asked.signed_by(public_key):
        words = f"please verify account number ({holder.number}) and chain-id ({LOCAL_CHAIN}): unauthorized"
        raise Refused(4, "sdk", f"signature verification failed; {words}")
    if owner != address_of(public_key):
        raise Refused(4, "sdk", f"pubKey does not match signer address {owner}: invalid pubkey")


def judge(holder: Holder, owner: str, chosen: Sequence[int], asked: Asked) -> None:
    """The authenticator that the transaction names."""
    if len(chosen) != 1:
        words = f"msg count 1, got {len(chosen)} selected authenticators: invalid request"
        raise Refused(18, "sdk", f"Mismatch between the number of selected authenticators and messages, {words}")
    known = holder.authenticators.get(chosen[0])
    if known is None:
        words = f"authenticator {chosen[0]} not found for account {owner}: Authenticator is not found"
        raise Refused(1, "accountplus", words)
    authenticate(*known, asked)


def authenticate(kind: str, config: bytes, asked: Asked) -> None:
    """Raises `Refused` for what the authenticator does not let through."""
    if kind in {"AllOf", "AnyOf"}:
        _composite(kind, config, asked)
    elif kind == "SignatureVerification":
        if not asked.signed_by(config):
            words = (
                f"please verify account number, sequence and chain-id ({LOCAL_CHAIN}): Signature verification failed"
            )
            raise Refused(100, "accountplus", f"signature verification failed; {words}")
    elif kind == "MessageFilter":
        if asked.kind not in config.decode().split(","):
            raise Refused(101, "accountplus", f"message types do not match. Got {asked.kind}")
    elif kind == "SubaccountFilter":
        number = _subaccount(asked)
        if number is not None and number not in _numbers(config):
            raise Refused(4, "sdk", f"subaccount number {number} not in whitelist: unauthorized")
    elif kind == "ClobPairIdFilter":
        wrong = [pair for pair in _pairs(asked) if pair not in _numbers(config)]
        if wrong:
            raise Refused(102, "accountplus", f"order id {wrong[0]} not in whitelist: Clob pair id verification failed")
    else:
        raise Refused(35, "sdk", f"authenticator type {kind} not registered in manager: internal logic error")


def _composite(kind: str, config: bytes, asked: Asked) -> None:
    parts = json.loads(config)
    if len(parts) < 2:
        raise Refused(18, "sdk", f"{kind} must have at least 2 sub-authenticators: invalid request")
    refusals = []
    for part in parts:
        try:
            authenticate(part["type"], base64.b64decode(part["config"]), asked)
        except Refused as refused:
            refusals.append(refused)
    if refusals and kind == "AllOf":
        raise refusals[0]
    if len(refusals) == len(parts):
        said = "; ".join(refused.checked[2] for refused in refusals)
        raise Refused(4, "sdk", f"all sub-authenticators failed to authenticate: {said}: unauthorized")


def _order_id(asked: Asked) -> Any:
    return asked.message.order.order_id if asked.kind == PLACE else asked.message.order_id


def _subaccount(asked: Asked) -> int | None:
    """None: a filter for subaccounts lets the message through."""
    if asked.kind not in {PLACE, CANCEL, BATCH_CANCEL}:
        return None
    owner = asked.message if asked.kind == BATCH_CANCEL else _order_id(asked)
    number: int = owner.subaccount_id.number
    return number


def _pairs(asked: Asked) -> list[int]:
    if asked.kind in {PLACE, CANCEL}:
        return [_order_id(asked).clob_pair_id]
    return [part.clob_pair_id for part in asked.message.short_term_cancels] if asked.kind == BATCH_CANCEL else []


def _numbers(config: bytes) -> set[int]:
    return {int(text) for text in config.decode().split(",")}
