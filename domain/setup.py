"""What a look at the channels that people are reached by, or at the vault, has found: for `doctor`, `init check`."""

from __future__ import annotations

from msgspec import Struct


class ChannelFound(Struct, frozen=True, kw_only=True):
    """One thing that was looked at: where, what was found, and what to do when it is not `ok`.

    `severe` is what stops a channel for everybody, and does not mend itself.
    """

    where: str
    text: str
    ok: bool = True
    severe: bool = True
    fix: str = ""


class VaultFound(Struct, frozen=True, kw_only=True):
    """One thing about the vault that was looked at, closed as it is; `severe` is what keeps it from being used."""

    text: str
    ok: bool = True
    severe: bool = True
    fix: str = ""
