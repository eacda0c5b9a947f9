"""`moondev signer`: holds the vault of a data folder open, and signs. `main.py` says how venues' signers are made."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from msgspec import convert

from domain.errors import ConfigError
from vault.config import VaultConfig
from vault.signer.harden import harden
from vault.signer.held import ServiceSecrets
from vault.signer.opening import VAULT, Part
from vault.signer.process import SEALED, sealed_words
from vault.signer.ring import KeyRing
from vault.signer.server import SOCKET, SignerServer
from vault.unlock import open_vault

LOOK_S = 1.0


def register(app: typer.Typer, default_data: Path, part_of: Callable[[Path], Part]) -> None:
    """Add the verb; `part_of(data folder)` raises `ConfigError` for settings that cannot be used."""

    @app.command()
    def signer(
        data: Annotated[Path | None, typer.Option("--data", help="The engine's data folder.")] = None,
        idle_s: Annotated[float, typer.Option(help="End after so long without anybody; 0 = never.")] = 0.0,
        *,
        unattended: Annotated[bool, typer.Option("--unattended", help="Ask nobody for the passphrase.")] = False,
    ) -> None:
        """Open the vault and sign for the engine, in this process. `run` starts one by itself when live."""
        folder = data or default_data
        if not (folder / VAULT).exists():
            raise ConfigError(f"{folder} has no vault: make one with `./moondev vault init --data {folder}`")
        missing = harden()
        part = part_of(folder)
        vault = open_vault(
            folder / VAULT, convert(part.config, VaultConfig), interactive=not unattended and sys.stdin.isatty()
        )
        if vault is None:
            typer.echo(f"{sealed_words(folder)[:1].upper()}{sealed_words(folder)[1:]}", err=True)
            raise typer.Exit(SEALED)
        logging.basicConfig(level=logging.WARNING, format="signer: %(levelname)s %(message)s", stream=sys.stderr)
        with vault:
            ring = KeyRing(vault, lambda keys: part_of(folder).open_signers(keys), part.make_key)
            server = SignerServer(folder / SOCKET, {}, ServiceSecrets(vault), is_spawned=idle_s > 0, ring=ring)
            with contextlib.suppress(OSError):
                os.setsid()  # Ctrl-C and a closed terminal are for the engine, which may still have orders to cancel
            asyncio.run(_serve(server, folder, missing, idle_s))


async def _serve(server: SignerServer, folder: Path, missing: list[str], idle_s: float) -> None:
    await server.start()
    said = (
        f"The signer of {folder} is open for {', '.join(sorted(server.signers)) or 'no venue'} (process {os.getpid()})."
    )
    typer.echo(said)
    for lack in missing:
        typer.echo(f"  {lack}")
    sys.stdout.flush()
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    since = loop.time()
    try:
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_S)
            if server.connections:
                since = loop.time()
            if idle_s and loop.time() - since > idle_s:
                break
    finally:
        await server.aclose()
