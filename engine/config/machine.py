"""The sections about the machine: the journal, the database, the log, the vault."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from engine.config.fields import Name, PositiveDurationNs, Text
from engine.config.section import Section

MINUTE_NS = 60 * 10**9


class JournalSection(Section):
    """The journal of inputs."""

    fsync: bool | None = None
    """Wait for the disk before risk-adding orders leave; when left out: live yes, paper no."""
    segment_mib: int = Field(default=64, ge=1, le=4096)
    snapshot_every_ns: PositiveDurationNs = Field(default=10 * MINUTE_NS, alias="snapshot_every")
    reserve_mib: int = Field(default=16, ge=0, le=4096)
    """Room kept back on the disk for the day it is full."""


class StorageSection(Section):
    """The SQL projection; empty = SQLite in the data folder. A password is the secret `password_secret`."""

    url: Text = ""
    password_secret: Name | None = None


class LoggingSection(Section):
    """What is written to the console and to the JSON log file in the data folder."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    console_level: Literal["debug", "info", "warning", "error"] = "warning"
    file_mib: int = Field(default=20, ge=1, le=1024)
    files: int = Field(default=5, ge=1, le=100)


class PassphraseSection(Section):
    """Where the vault's passphrase comes from; never from the environment or the command line."""

    source: Literal["auto", "prompt", "file", "systemd", "keyring"] = Field(default="auto", alias="from")
    """auto: systemd's credential `moondev-vault`, else `file` where it is named, else a person at the terminal."""
    file: Text = ""
    """A secret of Docker or Kubernetes, or any file that only this user or root can read."""


class VaultSection(Section):
    """The sealed store of secrets, and who signs with its keys."""

    signer: Literal["auto", "process", "in_process"] = "auto"
    """auto: a process of its own when live, else within the service."""
    passphrase: PassphraseSection = PassphraseSection()
    key_file: Text = ""
    """Needed beside the passphrase, where the vault was made with one."""
    remind_after_days: int = Field(default=90, ge=0, le=3650)
    """A key that is older is spoken of, once; 0 = never."""
