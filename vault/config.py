"""The vault's part of the settings, as this room has it; `main.py` fills it."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

From = Literal["auto", "prompt", "file", "systemd", "keyring"]


class VaultConfig(Struct, frozen=True, kw_only=True):
    """Where the passphrase comes from, and which records are of which kind. Empty paths = none."""

    signer: Literal["auto", "process", "in_process"] = "auto"
    passphrase_from: From = "auto"  # noqa: S105 - a source, no passphrase
    passphrase_file: str = ""
    key_file: str = ""
    kinds: dict[str, str] = {}
    """Kind by record name, as far as the settings name secrets."""
