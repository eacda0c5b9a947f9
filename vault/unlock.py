"""Where the passphrase comes from: systemd, a secret file, the system's keyring, or a person at the terminal.

Never from the environment or the command line, which other processes read and logs repeat.
"""

from __future__ import annotations

import getpass
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from vault import files
from vault.config import VaultConfig
from vault.crypto import BOUNDS, Bounds
from vault.disk import read
from vault.errors import VaultError, WrongPassphrase
from vault.format import vault_id
from vault.passphrase import LONGEST, Passphrase
from vault.store import Vault

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

CREDENTIAL = "moondev-vault"
"""The name of systemd's credential (`LoadCredentialEncrypted=moondev-vault:...`) and of the keyring's service."""
PROMPT = "a person at the terminal"
ATTEMPTS = 3
_IN_ENVIRONMENT = re.compile(r"(MOONDEV_)?VAULT_?PASS(PHRASE|WORD)?|MOONDEV_PASSPHRASE", re.IGNORECASE)
_UNSAFE_KEYRINGS = ("keyring.backends.fail", "keyring.backends.null", "keyrings.alt")
"""No keyring at all, one that forgets, and files that are not encrypted."""


def open_vault(
    path: Path, config: VaultConfig, *, interactive: bool, at_least: int = 0, bounds: Bounds = BOUNDS
) -> Vault | None:
    """Open a vault with what the settings name; None when nobody hands out its passphrase (it stays sealed).

    A person is asked up to three times. Raises `VaultError`.
    """
    found = open_with_passphrase(path, config, interactive=interactive, at_least=at_least, bounds=bounds)
    if found is None:
        return None
    vault, passphrase = found
    passphrase.wipe()
    return vault


def open_with_passphrase(
    path: Path, config: VaultConfig, *, interactive: bool, at_least: int = 0, bounds: Bounds = BOUNDS
) -> tuple[Vault, Passphrase] | None:
    """The same, with the passphrase that has opened it, for who changes what opens it."""
    read(path)  # what cannot be opened anyway is said before anybody is asked
    for left in reversed(range(ATTEMPTS)):
        passphrase = find_passphrase(config, path, interactive=interactive)
        if passphrase is None:
            return None
        try:
            vault = Vault.open(path, passphrase, config.key_path, at_least=at_least, bounds=bounds)
        except WrongPassphrase as error:
            passphrase.wipe()
            if passphrase.source != PROMPT or not left:
                raise WrongPassphrase(f"{error} (the passphrase is from {passphrase.source})") from None
            sys.stderr.write(f"Wrong passphrase or key file; {left} more.\n")
        else:
            return vault, passphrase
    return None


def find_passphrase(config: VaultConfig, path: Path, *, interactive: bool) -> Passphrase | None:
    """The passphrase of the vault at `path` by the source that the settings name; None when there is none to be had.

    `auto` takes systemd's credential, then the named file, then asks if `interactive`. A source that is named and
    cannot be used raises `VaultError`.
    """
    refuse_environment()
    wanted = config.passphrase_from
    if wanted in {"auto", "systemd"} and (found := _from_systemd()) is not None:
        return found
    if wanted == "systemd":
        raise VaultError(
            f"systemd hands out no credential {CREDENTIAL}: add `LoadCredentialEncrypted={CREDENTIAL}:...` to the unit"
        )
    if wanted == "file" and not config.passphrase_file:
        raise VaultError("vault.passphrase.from is file, and vault.passphrase.file names none")
    if wanted in {"auto", "file"} and config.passphrase_file:
        file = Path(config.passphrase_file).expanduser()
        return Passphrase(_text(files.read_handed(file, "the passphrase's file", 4 * LONGEST)), f"the file {file}")
    if wanted == "keyring":
        return _from_keyring(vault_id(read(path)).hex())
    return ask(f"Passphrase of the vault {path}: ") if interactive else None


def refuse_environment() -> None:
    """Raise `VaultError` when the passphrase stands in the environment."""
    for name in os.environ:
        if _IN_ENVIRONMENT.fullmatch(name):
            raise VaultError(
                f"the environment has {name}: a passphrase there is seen by other processes and written into logs. "
                "Unset it, change the passphrase (`moondev vault passwd`), and use a file, systemd or the keyring"
            )


def ask(question: str) -> Passphrase:
    """What a person types, unseen."""
    try:
        return Passphrase(getpass.getpass(question), PROMPT)
    except EOFError:
        raise VaultError("no passphrase was typed") from None


def keep_in_keyring(identity: str, passphrase: Passphrase) -> None:
    """Hand the passphrase to the system's keyring. Raises `VaultError`."""
    with _keyring() as backend:
        backend.set_password(CREDENTIAL, identity, passphrase.bytes.decode())


def _from_systemd() -> Passphrase | None:
    folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
    file = Path(folder) / CREDENTIAL
    if not folder or not file.exists():
        return None
    return Passphrase(_text(files.read_handed(file, "systemd's credential", 4 * LONGEST)), "systemd's credential")


def _from_keyring(identity: str) -> Passphrase:
    with _keyring() as backend:
        found = backend.get_password(CREDENTIAL, identity)
    if not found:
        raise VaultError(f"the keyring has no {CREDENTIAL} {identity}: `moondev vault passwd --keyring` puts it there")
    return Passphrase(found, "the keyring")


@contextmanager
def _keyring() -> Iterator[KeyringBackend]:
    import keyring

    try:
        backend = keyring.get_keyring()
        module = type(backend).__module__
        if module.startswith(_UNSAFE_KEYRINGS):
            raise VaultError(f"this machine has no keyring that keeps secrets ({module}): use a file or systemd")
        yield backend
    except VaultError:
        raise
    except Exception as error:  # noqa: BLE001 - each backend has errors of its own
        raise VaultError(f"the keyring does not answer: {type(error).__name__}") from None


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise VaultError("the passphrase that was handed out is not UTF-8 text") from None
