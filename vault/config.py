"""The vault's part of the settings, as this room has it; `main.py` fills it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct, convert

Fields = Callable[[Path], dict[str, Any]]
"""Fields of `VaultConfig` for a data folder; `main.py` gives it."""
From = Literal["auto", "prompt", "file", "systemd", "keyring"]


class VaultConfig(Struct, frozen=True, kw_only=True):
    """Where the passphrase comes from, and which records are of which kind. Empty paths = none."""

    signer: Literal["auto", "process", "in_process"] = "auto"
    passphrase_from: From = "auto"  # noqa: S105 - a source, no passphrase
    passphrase_file: str = ""
    key_file: str = ""
    kinds: dict[str, str] = {}
    """Kind by record name, as far as the settings name secrets."""

    @property
    def key_path(self) -> Path | None:
        """The key file, where there is one."""
        return Path(self.key_file).expanduser() if self.key_file else None


def config_of(fields: dict[str, Any]) -> VaultConfig:
    """The settings of the vault from plain fields."""
    return convert(fields, VaultConfig)
