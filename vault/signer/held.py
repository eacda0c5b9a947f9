"""What an open vault hands out inside the process that holds it: keys to the venues' signers, secrets to the engine.

The kind of a record decides. One of the kind `exchange` is read by `ExchangeKeys` alone, which only the venues' signers
are given; the engine's `Secrets` never has it, even in the same process.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence

from domain.errors import ConfigError
from vault.format import Kind
from vault.service import VaultSecrets
from vault.store import Vault


class ExchangeKeys:
    """The `Secrets` port over the keys that sign orders: for the venues' signers, and nobody else."""

    def __init__(self, vault: Vault, burned: Sequence[str] = ()) -> None:
        self._vault = vault
        self.burned = burned
        """Public halves of keys that nobody has."""

    def get(self, name: str) -> str:
        """The value. Raises `ConfigError` for a name that is not there, or of another kind."""
        found = _kinds(self._vault).get(name)
        again = f"`./moondev vault add {shlex.quote(name)} --kind exchange`"
        if found is None:
            raise ConfigError(f"the vault {self._vault.path} has no key {name!r}: {again}")
        if found is not Kind.EXCHANGE:
            raise ConfigError(
                f"{name!r} is of kind {found} in the vault, and is to sign: give this one another name, {again}"
            )
        with self._vault.reveal(name) as value:
            return value.decode()

    def has(self, name: str) -> bool:
        """True when there is such a key."""
        return _kinds(self._vault).get(name) is Kind.EXCHANGE

    def owners(self) -> list[str]:
        """The accounts' own keys, which sign approvals of keys of this vault and nothing else."""
        values = []
        for name, kind in _kinds(self._vault).items():
            if kind is Kind.OWNER:
                with self._vault.reveal(name) as value:
                    values.append(value.decode())
        return values


class ServiceSecrets(VaultSecrets):
    """Tokens, passwords and the public halves of API keys: what the engine may see, and nothing else."""

    def __init__(self, vault: Vault) -> None:
        """Nothing is read yet."""
        super().__init__(vault, lambda _value: None)

    def has(self, name: str) -> bool:
        """True when there is a service secret of that name."""
        return name in self.names()

    def names(self) -> list[str]:
        """All service secrets, sorted, also those that another process has added since."""
        return sorted(name for name, (_, kind) in self._known().items() if kind is Kind.SERVICE)

    def tell(self, register: Callable[[str], None]) -> None:
        """Call `register` with every secret that is there or is read later, so that none can be logged."""
        self._register = register
        for name in self.names():
            register(self.get(name))


def _kinds(vault: Vault) -> dict[str, Kind]:
    return {record.name: record.kind for record in vault.file.records}
