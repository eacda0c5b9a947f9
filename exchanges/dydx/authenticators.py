"""Permissioned keys: what an account's authenticators let a key sign, by the chain's own rules (`x/accountplus`).

    the account's own key ── MsgAddAuthenticator ──▶ chain: id, type, config
    our key ── transaction that names the id ──▶ the chain asks that authenticator whether the signature will do

An authenticator is a tree: a composite's config is the JSON array of its parts. The chosen one must let our orders
through, and no authenticator of the account may let our key sign anything else.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

import msgspec
from msgspec import Struct

from domain.errors import ConfigError
from exchanges.dydx.chain import BATCH_CANCEL, CANCEL, PLACE
from exchanges.dydx.config import DydxAccount

ORDERS = frozenset({PLACE, CANCEL, BATCH_CANCEL})
"""Messages that move no money out of the account."""
SIGNATURE, MESSAGES = "SignatureVerification", "MessageFilter"
SUBACCOUNTS, PAIRS = "SubaccountFilter", "ClobPairIdFilter"
ALL_OF, ANY_OF = "AllOf", "AnyOf"
OTHERS = "other messages"
"""Stands for every message that no filter names."""
HOW = (
    "make a trading key (dYdX: More, API Trading Keys; or an AllOf of SignatureVerification and a MessageFilter for "
    f"{PLACE}, {CANCEL} and {BATCH_CANCEL}) and put its key and `authenticator_id` into the settings"
)


class Part(Struct):
    """An authenticator, or a part of a composite one."""

    type: str
    config: bytes = b""


class Authenticator(Part, kw_only=True):
    """One of an account, as the node's REST tells it."""

    id: str


class Answer(Struct):
    """GET dydxprotocol/accountplus/authenticators/{account}."""

    account_authenticators: list[Authenticator] = []


class Ask(Struct, frozen=True):
    """A signature by `key` under a message about a subaccount and a contract.

    `in_doubt` is what parts answer that cannot be read, or are of a type that is not known here.
    """

    key: bytes
    message: str
    subaccount: int
    pair: int
    in_doubt: bool


def passes(part: Part, ask: Ask) -> bool:
    """Whether the chain would take the signature."""
    if part.type == SIGNATURE:
        return part.config == ask.key
    try:
        if part.type in {ALL_OF, ANY_OF}:
            answers = [passes(each, ask) for each in parts_of(part)]
            return all(answers) if part.type == ALL_OF else any(answers)
        words = part.config.decode().split(",")
        if part.type == MESSAGES:
            return ask.message in words
        if part.type in {SUBACCOUNTS, PAIRS}:  # they let every other message through, as older chains do
            wanted = ask.subaccount if part.type == SUBACCOUNTS else ask.pair
            return ask.message not in ORDERS or wanted in map(int, words)
    except (ValueError, msgspec.DecodeError):
        pass
    return ask.in_doubt


def parts_of(part: Part) -> list[Part]:
    """What a composite is made of. Raises `msgspec.DecodeError`."""
    return msgspec.json.decode(part.config, type=list[Part])


def named(part: Part) -> Iterator[str]:
    """Every message that a filter in it names."""
    try:
        if part.type in {ALL_OF, ANY_OF}:
            for each in parts_of(part):
                yield from named(each)
        elif part.type == MESSAGES:
            yield from part.config.decode().split(",")
    except (ValueError, msgspec.DecodeError):
        return


def beyond_orders(part: Part, account: DydxAccount, key: bytes) -> list[str]:
    """The messages beside those about orders that it may let the key sign."""
    asked = sorted({OTHERS, *named(part)} - ORDERS)
    return [message for message in asked if passes(part, Ask(key, message, account.subaccount, 0, in_doubt=True))]


def check(account: DydxAccount, key: bytes, found: Sequence[Authenticator], pairs: Iterable[int]) -> int:
    """The id of the account's authenticator with which the permissioned `key` trades the contracts `pairs`.

    Raises `ConfigError`, with what to do, for a key that could sign more than orders, or cannot sign them.
    """
    chosen = next((each for each in found if each.id == str(account.authenticator)), None)
    if account.authenticator is None or chosen is None:
        ours = {each.id for each in found if passes(each, Ask(key, PLACE, account.subaccount, 0, in_doubt=False))}
        there = ", ".join(f"{each.id}{' (for this key)' if each.id in ours else ''}" for each in found) or "none"
        raise ConfigError(
            f"{account.id} ({account.address}) has no authenticator {account.authenticator}; there are: {there}. "
            f"Correct `authenticator_id`, or {HOW}"
        )
    for each in found:
        more = beyond_orders(each, account, key)
        if more:
            raise ConfigError(
                f"the authenticator {each.id} of {account.id} lets the key {account.key!r} sign {', '.join(more)}, "
                f"which can move money out of the account. Remove it and {HOW}"
            )
    both = itertools.product((PLACE, CANCEL), pairs)
    orders = [Ask(key, message, account.subaccount, pair, in_doubt=False) for message, pair in both]
    refused = next((ask for ask in orders if not passes(chosen, ask)), None)
    if refused is not None:
        raise ConfigError(
            f"the authenticator {chosen.id} of {account.id} does not let the key {account.key!r} sign "
            f"{refused.message} for subaccount {refused.subaccount} and clob pair {refused.pair}: is it another key's? "
            f"Correct `authenticator_id` or `key`, or {HOW}"
        )
    if passes(chosen, Ask(b"", PLACE, account.subaccount, 0, in_doubt=True)):
        raise ConfigError(
            f"the authenticator {chosen.id} of {account.id} asks for no certain key: anybody could trade with it. "
            f"Remove it and {HOW}"
        )
    return int(chosen.id)
