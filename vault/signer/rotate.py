"""`moondev vault rotate-key`: a new key in the place of an old one, step by step; `main.py` says how venues do it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Protocol

import typer
from msgspec import convert

from domain.errors import ConfigError
from vault.asking import has_terminal, value_of
from vault.config import VaultConfig
from vault.format import Kind
from vault.memory import wipe
from vault.signer.client import SignerClient
from vault.signer.local import LocalKeys
from vault.signer.opening import VAULT, Part
from vault.signer.process import is_open, sealed_words
from vault.signer.ring import NEXT, KeyRing
from vault.store import Vault
from vault.unlock import ask, open_vault


class Exchange(Protocol):
    """The exchange of one key: see `exchanges.shared.rotation`."""

    @property
    def is_automatic(self) -> bool:
        """Whether the venue lets a program make and end keys."""
        ...

    @property
    def is_new(self) -> bool:
        """Whether the new key is still to come."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """The records that are exchanged, the signing key last."""
        ...

    def run(self, say: Callable[[str], None]) -> Coroutine[Any, Any, None]:
        """Go on to the end."""
        ...

    def abort(self, say: Callable[[str], None]) -> Coroutine[Any, Any, None]:
        """Take it back."""
        ...


class Asked(NamedTuple):
    """What the exchange of a key is opened with. `typed_owner` is asked for an account's own key, by its address."""

    folder: Path
    name: str
    keys: LocalKeys
    vault: Vault
    typed_owner: Callable[[str], str] | None


def register(
    group: typer.Typer, default_data: Path, part_of: Callable[[Path], Part], open_exchange: Callable[[Asked], Exchange]
) -> None:
    """Add the verb to `moondev vault`. Both callables raise `ConfigError`."""

    @group.command("rotate-key")
    def rotate_key(
        name: Annotated[str, typer.Argument(help="The key, as the settings have it.")],
        data: Annotated[Path | None, typer.Option("--data", help="Data folder (default .moondev/paper).")] = None,
        *,
        abort: Annotated[bool, typer.Option("--abort", help="Take back an exchange that has not been ended.")] = False,
        owner: Annotated[
            bool, typer.Option("--owner", help="Type the account's own key, which approves; it is kept nowhere.")
        ] = False,
    ) -> None:
        """Exchange an exchange's key for a new one: add, look, switch, end the old one. May be begun again anywhere."""
        folder = data or default_data
        part = part_of(folder)
        vault = open_vault(folder / VAULT, convert(part.config, VaultConfig), interactive=has_terminal())
        if vault is None:
            raise ConfigError(sealed_words(folder))
        with vault:
            ring = KeyRing(vault, lambda keys: part_of(folder).open_signers(keys), part.make_key)
            keys = LocalKeys(ring, SignerClient(folder) if is_open(folder) else None)
            has_owner = any(record.kind is Kind.OWNER for record in vault.file.records)
            types = owner or (has_terminal() and not has_owner)
            exchange = open_exchange(Asked(folder, name, keys, vault, _typed if types else None))
            if abort:
                asyncio.run(exchange.abort(typer.echo))
                return
            if exchange.is_new and not exchange.is_automatic:
                _take(ring, exchange.names)
            asyncio.run(exchange.run(typer.echo))


def _take(ring: KeyRing, names: tuple[str, ...]) -> None:
    """Ask for what a person has made at the venue's page, unless it is in the vault already."""
    if not ring.vault.has(names[-1] + NEXT):
        typer.echo("Make the new key at the venue's page of API keys, with the permissions of the old one.")
        for name in names:  # the signing half last: once it is there, all is
            content = value_of(f"{name} (new)", None, stdin=False)
            ring.take(name, content.decode())
            wipe(content)


def _typed(address: str) -> str:
    found = ask(f"Private key of {address} itself (it approves the new one, and is kept nowhere): ")
    text = found.bytes.decode()
    found.wipe()
    return text
