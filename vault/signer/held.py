"""What an open vault hands out inside the process that holds it: keys to the venues' signers, secrets to the engine.

The kind of a record decides. A record of the kind `exchange` is read by `ExchangeKeys` alone, which only the venues'
signers are given; the engine's `Secrets` never has it, even in the same process.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable

from domain.errors import ConfigError
from vault.format import Kind
from vault.store import Vault


class _Records:
    """The `Secrets` port over the records of one kind."""

    kind: Kind

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._vault!r})"

    def get(self, name: str) -> str:
        """The value. Raises `ConfigError` for a name that is not there, or of another kind."""
        found = next((record.kind for record in self._vault.records() if record.name == name), None)
        if found is None:
            raise ConfigError(
                f"{self._vault.path} has no {name!r}: `./moondev vault add {shlex.quote(name)} --kind {self.kind} "
                f"--data {shlex.quote(str(self._vault.path.parent))}`"
            )
        if found is not self.kind:
            raise ConfigError(
                f"{name!r} is of the kind {found} in {self._vault.path}, and is asked for as {self.kind}: give it "
                f"another name, or take it out and add it with --kind {self.kind}"
            )
        with self._vault.reveal(name) as value:
            return value.decode()

    def has(self, name: str) -> bool:
        """True when there is one of this kind."""
        return name in self.names()

    def names(self) -> list[str]:
        """All of this kind, sorted."""
        return [record.name for record in self._vault.records() if record.kind is self.kind]


class ExchangeKeys(_Records):
    """The keys that sign orders: for the venues' signers, and nobody else."""

    kind = Kind.EXCHANGE


class ServiceSecrets(_Records):
    """Tokens, passwords and the public halves of API keys: what the engine may see."""

    kind = Kind.SERVICE

    def __init__(self, vault: Vault) -> None:
        """Read them from `vault`, as it is at each question."""
        super().__init__(vault)
        self._register: Callable[[str], None] = lambda _value: None

    def get(self, name: str) -> str:
        """The value, made known to the log's redaction first. Raises `ConfigError`."""
        value = super().get(name)
        self._register(value)
        return value

    def names(self) -> list[str]:
        """All service secrets, sorted, also those that another process has added since."""
        self._vault.refresh()
        return super().names()

    def tell(self, register: Callable[[str], None]) -> None:
        """Call `register` with every secret that is there or is read later, so that none can be logged."""
        self._register = register
        for name in self.names():
            self.get(name)
