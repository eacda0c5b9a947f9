"""Taking the plain secrets file into a vault."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vault.config import VaultConfig
from vault.errors import VaultError
from vault.format import Kind
from vault.memory import wipe
from vault.secrets import FileSecrets
from vault.store import Vault


def kind_of(name: str, config: VaultConfig) -> Kind:
    """The kind of a secret as the settings use it; what they do not name is for the signer alone, the strictest."""
    return Kind(config.kinds.get(name, Kind.EXCHANGE))


def take_file(vault: Vault, file: Path, config: VaultConfig) -> Iterator[str]:
    """Put every secret of a plain file into the vault; a line of text on each. Raises `ConfigError` before the first.

    What is there already with the same value is left alone, so that it can be done again.
    """
    plain = FileSecrets(file, lambda _value: None)
    names = plain.names()
    if not names:
        raise VaultError(f"{file} has no secrets, or is not there")
    known = {view.name: view for view in vault.records()}
    for name in names:
        value = bytearray(plain.get(name).encode())
        if name in known and known[name].fingerprint == vault.fingerprint(value):
            yield f"{name} ({known[name].kind}) was in the vault already"
            continue
        kind = known[name].kind if name in known else kind_of(name, config)
        view = vault.put(name, kind, value)
        wipe(value)
        why = "" if name in config.kinds else ", as no setting names it: `vault rm` and `add --kind` change that"
        yield f"{name} ({view.kind}{why}) is in the vault: version {view.version}, fingerprint {view.fingerprint}"


def remove_plain(file: Path, vault: Vault) -> str:
    """Remove a plain file once every secret of it is in the vault; a sentence on it. Raises `VaultError`."""
    plain = FileSecrets(file, lambda _value: None)
    prints = {view.name: view.fingerprint for view in vault.records()}
    apart = [name for name in plain.names() if prints.get(name) != vault.fingerprint(plain.get(name).encode())]
    if apart:
        raise VaultError(f"{file} stays: the vault has another value of {', '.join(apart)}")
    size = file.stat().st_size
    with file.open("r+b") as handle:
        handle.write(bytes(size))
    file.unlink()
    return (
        f"{file} is overwritten and removed. Disks and backups may still have it: what was in it is safest when it is "
        "changed where it came from."
    )
