"""The `Secrets` port of a data folder: its vault where there is one, else the plain file."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from pathlib import Path

from domain.errors import ConfigError
from vault.config import Fields, config_of
from vault.crypto import BOUNDS, Bounds
from vault.errors import VaultError, VaultReplaced
from vault.format import Kind
from vault.secrets import SHORTEST, FileSecrets
from vault.signer.client import SignerClient, SignerGone
from vault.store import Vault
from vault.unlock import open_vault

log = logging.getLogger(__name__)


class VaultSecrets:
    """The `Secrets` port over an open vault. It hands out records of kind `service`, and nothing else.

    What another process has put is seen at the next question. `register` gets every value before it is handed out.
    """

    def __init__(self, vault: Vault, register: Callable[[str], None]) -> None:
        """The vault stays its owner's to close."""
        self._vault = vault
        self._register = register
        self._values: dict[tuple[str, int], str] = {}
        """By name and version: each value is taken out of the vault, and logged, once."""

    def get(self, name: str) -> str:
        """The secret. Raises `ConfigError` for one that is missing, or of a kind that only the signer uses."""
        version, kind = self._known().get(name, (0, Kind.SERVICE))
        if not version:
            raise ConfigError(f"the secret {name!r} is missing: `moondev vault add {name}`")
        if kind is not Kind.SERVICE:
            raise ConfigError(f"{name!r} is of kind {kind}: only the signer uses it, and hands it to nobody")
        if (name, version) not in self._values:
            with self._vault.reveal(name) as value:
                try:
                    text = value.decode()
                except UnicodeDecodeError:
                    raise ConfigError(f"the secret {name!r} is no text: add it again") from None
            self._register(text)
            self._values[name, version] = text
        return self._values[name, version]

    def has(self, name: str) -> bool:
        """True when the secret exists."""
        return name in self._known()

    def names(self) -> list[str]:
        """Names of all secrets, sorted."""
        return sorted(self._known())

    def keep(self, name: str, value: str) -> None:
        """Put a secret into the vault, in the place of an earlier one of that name. Raises `ConfigError`."""
        if len(value) < SHORTEST:
            raise ConfigError(f"{name!r} is shorter than {SHORTEST} characters; that is no secret")
        self._register(value)
        self._vault.put(name, Kind.SERVICE, value)

    def _known(self) -> dict[str, tuple[int, Kind]]:
        """Version and kind by name, as they are now."""
        try:
            self._vault.refresh()
        except VaultReplaced as error:
            log.warning("the secrets are used as they were when the vault was opened: %s", error)
        return {record.name: (record.version, record.kind) for record in self._vault.file.records}


class FolderSecrets:
    """The `Secrets` port of a data folder. A vault is opened when a secret is first asked for, and is the only source.

    A signer that has it open already is asked instead, where it is enough to read. `fields` is asked for the vault's
    settings when one is opened. Raises `VaultError` when it stays sealed.
    """

    def __init__(
        self, data: Path, fields: Fields, register: Callable[[str], None], *, interactive: bool,
        bounds: Bounds = BOUNDS,
    ) -> None:  # fmt: skip
        """Nothing is opened or read yet."""
        self._path = data / "vault"
        self._plain = FileSecrets(data / "secrets", register)
        self._data, self._fields, self._register = data, fields, register
        self._interactive, self._bounds = interactive, bounds
        self._sealed: VaultSecrets | None = None
        self._signer: SignerClient | None = None

    @property
    def place(self) -> str:
        """Where they are kept, in words."""
        return f"the vault {self._path}" if self._has_vault else self._plain.place

    def get(self, name: str) -> str:
        """The secret. Raises `ConfigError` naming the secret and where to put it, never its value."""
        return self._read().get(name)

    def has(self, name: str) -> bool:
        """True when the secret exists."""
        return self._read().has(name)

    def names(self) -> list[str]:
        """Names of all secrets, sorted."""
        return self._read().names()

    def keep(self, name: str, value: str) -> None:
        """Write a secret down, in the place of an earlier one of that name."""
        self._source().keep(name, value)

    @property
    def _has_vault(self) -> bool:
        return self._path.is_symlink() or self._path.exists()

    def _read(self) -> VaultSecrets | FileSecrets | SignerClient:
        """A signer that has the vault open answers without anybody typing."""
        if self._sealed is None and self._signer is None and self._has_vault:
            signer = SignerClient(self._data)
            signer.register = self._register
            with contextlib.suppress(SignerGone):
                signer.connect()
                self._signer = signer
        return self._signer or self._source()

    def _source(self) -> VaultSecrets | FileSecrets:
        if self._sealed is None:
            if not self._has_vault:
                return self._plain
            vault = open_vault(
                self._path, config_of(self._fields(self._data)), interactive=self._interactive, bounds=self._bounds
            )
            if vault is None:
                raise VaultError(
                    f"the vault {self._path} is sealed, and nobody hands out its passphrase: do this at a terminal, or "
                    "set vault.passphrase (docs/vault.md)"
                )
            self._sealed = VaultSecrets(vault, self._register)
        return self._sealed
