"""Events of keys and of the signer that has them, without any key in them. See `domain.events`."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from domain.instrument import AccountId

SignerSaw = Literal["lost", "back", "refused"]


class SignerNews(Struct, kw_only=True, tag="signer_news", array_like=True):
    """The signer is gone, answers again, or has refused something that nobody here should ask for."""

    seq: int = 0
    ts_ns: int = 0
    what: SignerSaw
    text: str


class KeyExpires(Struct, kw_only=True, tag="key_expires", array_like=True):
    """A venue says that an account's key is good until `until_ns` of its clock and no longer; told once a day."""

    seq: int = 0
    ts_ns: int = 0
    account: AccountId
    until_ns: int
    text: str
