"""Where a process gets its secrets and signatures from.

- no vault: secrets from the 0600 file; keys in plain text, which never sign for mainnet
- a vault and a signer process: a client of `moondev signer`, which is started if none answers
- a vault in this process: for paper and test networks, and live by `vault.signer: in_process`
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import convert

from domain.errors import MoonDevError
from domain.ports import Secrets, Signer
from vault.config import VaultConfig
from vault.secrets import FileSecrets
from vault.signer.client import SignerClient, SignerGone
from vault.signer.held import ServiceSecrets
from vault.signer.process import IDLE_S, Saw, Sealed, SignerProcess, sealed_words
from vault.signer.ring import KeyRing, Maker, Opener
from vault.unlock import open_vault

log = logging.getLogger(__name__)

LOOK_S = 10.0
VAULT = "vault"
"""The vault's file in a data folder."""


class Part(NamedTuple):
    """What the settings say: fields of `VaultConfig`, and how the venues' own signers and new keys are made.

    `open_signers` raises `ConfigError` for a key that is not there, or is none.
    """

    config: Mapping[str, Any]
    open_signers: Opener
    make_key: Maker


class Opened:
    """What a process has been given. `signers` None: there is no vault. `process`: the signer is one of its own."""

    def __init__(
        self,
        secrets: FileSecrets | SignerClient | ServiceSecrets,
        signers: Mapping[str, Signer] | None = None,
        process: SignerProcess | None = None,
        close: Callable[[], None] = lambda: None,
        ring: KeyRing | None = None,
    ) -> None:
        self.ring = ring
        self.secrets = secrets
        self._signers = signers
        self.process = process
        self.close = close

    @property
    def signers(self) -> Mapping[str, Signer] | None:
        """By venue, as they are now."""
        return self._signers if self.ring is None else self.ring.signers

    async def refresh(self) -> None:
        """Have a signer that was there before look at the settings as they are now. Raises `VenueError`."""
        if self.process is not None:
            await self.process.client.reload()
            await asyncio.to_thread(self.process.client.connect)
            self._signers = self.process.client.signers

    async def keep(self, tell: Callable[[Saw, str], None], changed: Callable[[], None]) -> None:
        """Look after the keys until cancelled: see `SignerProcess.keep`. `changed` is called when keys have changed."""
        if self.process is not None:
            await self.process.keep(tell, changed)
        while self.ring is not None:
            await asyncio.sleep(LOOK_S)
            try:
                if self.ring.vault.refresh():
                    self.ring.reload()
                    changed()
            except (MoonDevError, OSError) as error:
                log.error("the vault cannot be looked at again, its keys stay as they were: %s", error)  # noqa: TRY400


class Late:
    """Keys that are opened when first asked for: whoever acts perhaps never asks nobody for a passphrase before.

    What went wrong once is not tried again.
    """

    def __init__(self, opener: Callable[[], Opened]) -> None:
        self._opener = opener
        self._opened: Opened | None = None
        self._error: MoonDevError | None = None

    @property
    def secrets(self) -> Secrets:
        """By name. Raises `ConfigError`."""
        return self.opened.secrets

    @property
    def signers(self) -> Mapping[str, Signer] | None:
        """The vault's, by venue; None without a vault. Raises `ConfigError`."""
        return self.opened.signers

    @property
    def opened(self) -> Opened:
        """Everything."""
        if self._error is not None:
            raise self._error
        if self._opened is None:
            try:
                self._opened = self._opener()
            except MoonDevError as error:
                self._error = error
                raise
        return self._opened


def open_keys(data: Path, part: Part, program: Sequence[str], *, is_live: bool, idle_s: float = IDLE_S) -> Opened:
    """Open what there is in a data folder. A signer that answers is used whatever the settings say.

    `program` runs the command line. At a terminal a person is asked for the passphrase where nothing else hands it out.
    Raises `Sealed` when there is a vault and nobody does, `ConfigError` and `VaultError`.
    """
    path = data / VAULT
    if not path.exists() and not path.is_symlink():
        return Opened(FileSecrets(data / "secrets", lambda _value: None))
    interactive = sys.stdin is not None and sys.stdin.isatty()
    process, config = SignerProcess(data, program, idle_s), convert(part.config, VaultConfig)
    with contextlib.suppress(SignerGone):
        process.client.connect()
        return Opened(process.client, process.client.signers, process, process.stop)
    if config.signer == "process" or (config.signer == "auto" and is_live):
        client = process.ensure(interactive=interactive)
        return Opened(client, client.signers, process, process.stop)
    vault = open_vault(path, config, interactive=interactive)
    if vault is None:
        raise Sealed(sealed_words(data))
    ring = KeyRing(vault, part.open_signers, part.make_key)
    return Opened(ServiceSecrets(vault), ring.signers, close=vault.close, ring=ring)
