"""Events of keys, of the vault and of the signer that has them, without any key in them. See `domain.events`."""

from __future__ import annotations

import enum
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


class VaultAccessed(Struct, kw_only=True, tag="vault_accessed", array_like=True):
    """Line `n` of the vault's access log: a process of `user` did `verb` to a record ("" = to the whole).

    `vault` is the vault's id, `sequence` the write it was of, `missed` how many accesses before it could not be written
    down. `mark` chains it to the next line.
    """

    seq: int = 0
    ts_ns: int = 0
    n: int
    noted_ns: int
    user: str
    process: str
    pid: int
    verb: str
    record: str
    kind: str
    vault: str
    sequence: int
    missed: int
    mark: str


class VaultTrouble(Struct, kw_only=True, tag="vault_trouble", array_like=True):
    """The access log or the vault is not what the journal knows; reading goes on after line `n` with `mark`."""

    seq: int = 0
    ts_ns: int = 0
    text: str
    n: int
    mark: str


class KeyStage(enum.StrEnum):
    """How far the exchange of a key is."""

    ASKED = "asked"
    """People have agreed; nothing is done yet."""
    STAGED = "staged"
    """The new key is in the vault, and good at the venue where a program can have it made so."""
    VERIFIED = "verified"
    """The venue has taken it."""
    SWITCHED = "switched"
    """It signs."""
    REVOKED = "revoked"
    """Over: the old key is worthless, or a person has been told to delete it."""
    TAKEN_BACK = "taken_back"
    """Over: the old key stays."""
    FAILED = "failed"
    """It stands still until people have set something right, and ask again."""


class KeyStep(Struct, kw_only=True, tag="key_step", array_like=True):
    """The exchange of a key has come so far; whoever carries it out says so, here or at a terminal."""

    seq: int = 0
    ts_ns: int = 0
    key: str
    stage: KeyStage
    text: str


class KeyOld(Struct, kw_only=True, tag="key_old", array_like=True):
    """A key has been there since `since_ns`, which is longer than the settings say it should be."""

    seq: int = 0
    ts_ns: int = 0
    key: str
    since_ns: int
    text: str


class Turn(Struct):
    """The exchange of one key, as far as it is known. `by` asked and agreed, "" = somebody at the terminal."""

    stage: KeyStage
    since_ns: int
    text: str = ""
    by: str = ""


class KeyBook(Struct):
    """What the journal knows of the vault and of its keys.

    `n`, `mark` and `noted_ns` are of the last line of the access log that is in the journal.
    """

    vault: str = ""
    sequence: int = 0
    """The highest write of that vault that was ever seen."""
    n: int = 0
    mark: str = ""
    noted_ns: int = 0
    turns: dict[str, Turn] = {}
    """By key, those that are over too."""
    old: dict[str, int] = {}
    """Since when the key was there that people were last reminded of, by name."""
    ends: dict[AccountId, tuple[int, int]] = {}
    """When an account's key ends, and at how many days before that people were last reminded."""
