"""What a look at the channels that people are reached by has found, for `doctor` and `init check`."""

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
