"""The keys of an open vault as they are used and exchanged: the venues' signers, a key's successor, the swap.

A successor stands beside its key as the record `NAME.next` until it takes its place. Every step may be done again after
a kill, and leaves either the old key or the new one under the name, never neither.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from domain.errors import ConfigError
from domain.ports import Signer
from vault.format import Kind
from vault.signer.held import ExchangeKeys
from vault.signer.wire import Held
from vault.store import Vault

NEXT = ".next"
MOST_BURNED = 8
Opener: TypeAlias = Callable[[ExchangeKeys], Mapping[str, Signer]]
Maker: TypeAlias = Callable[[str], tuple[str, str]]
"""A new key for a venue: its value and its public half. Raises `ConfigError` where the venue makes keys itself."""


class KeyRing:
    """Signers of a vault, made anew by `open_signers` whenever its keys change; `make_key` makes keys."""

    def __init__(self, vault: Vault, open_signers: Opener, make_key: Maker) -> None:
        """Open the signers. Raises `ConfigError` for a key that is missing or is none."""
        self.vault = vault
        self.version = 0
        """How often the keys have changed since this process began."""
        self._open_signers = open_signers
        self._make_key = make_key
        self.used_ns: dict[str, int] = {}
        """When a key signed last, by name, as far as whoever signs says it here."""
        self._burned: list[str] = []
        self.signers: Mapping[str, Signer] = {}
        self._open()

    def held(self) -> list[Held]:
        """Every record, masked, and when it signed last."""
        used = self.used_ns
        return [
            Held(view.name, str(view.kind), view.created_ns, view.fingerprint, used.get(view.name, 0))
            for view in self.vault.records()
        ]

    def reload(self) -> None:
        """See what another process has written, and what the settings name now. Raises `ConfigError`."""
        self.vault.refresh()
        self._open()
        self.version += 1

    def _open(self) -> None:
        self.signers = self._open_signers(ExchangeKeys(self.vault, tuple(self._burned)))

    def make(self, venue: str, name: str) -> None:
        """A successor of `name`, made here and never seen elsewhere; one that is there already stays."""
        self._check(name)
        if not self.vault.has(name + NEXT):
            self.vault.put(name + NEXT, Kind.EXCHANGE, self._make_key(venue)[0])
        self._open()

    def take(self, name: str, value: str) -> None:
        """A successor that was made elsewhere, of the same kind."""
        self.vault.put(name + NEXT, self._check(name), value)
        self._open()

    def burn(self, venue: str) -> str:
        """The public half of a key that nobody has: its other half is gone on return."""
        address = self._make_key(venue)[1]
        self._burned = [*self._burned, address][-MOST_BURNED:]
        self._open()
        return address

    def switch(self, name: str) -> None:
        """The successor takes its key's place: from now on `name` is it. Done already, nothing happens."""
        kind = self._check(name)
        if self.vault.has(name + NEXT):
            with self.vault.reveal(name + NEXT) as fresh, self.vault.reveal(name) as old:
                is_same = fresh == old
                if not is_same:
                    self.vault.put(name, kind, bytes(fresh))
            self.vault.remove(name + NEXT)
        self.reload()

    def discard(self, name: str) -> None:
        """Forget a successor."""
        self._check(name)
        if self.vault.has(name + NEXT):
            self.vault.remove(name + NEXT)
        self.reload()

    def _check(self, name: str) -> Kind:
        found = next((record.kind for record in self.vault.file.records if record.name == name), None)
        if found not in {Kind.EXCHANGE, Kind.SERVICE} or name.endswith(NEXT):
            raise ConfigError(f"the vault has no key {name!r:.80} that can be exchanged: `./moondev vault ls`")
        assert found is not None  # noqa: S101 - in the set
        return found
