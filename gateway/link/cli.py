"""`moondev gateway`: dashboard and API in a process of their own. `main.py` says what they are made of."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from domain.errors import ConfigError

if TYPE_CHECKING:
    from gateway.link.client import LinkSource
    from gateway.server import GatewayServer


class Open(Protocol):
    """Makes what the gateway of a data folder consists of. Raises `ConfigError`."""

    def __call__(self, data: Path, port: int | None, *, managed: bool) -> tuple[GatewayServer, LinkSource]:
        """Its server, bound, and its link. `port` None: as the settings say; `managed`: an engine has started it."""
        ...


def register(app: typer.Typer, default_data: Path, open_gateway: Open) -> None:
    """Add the verb."""

    @app.command()
    def gateway(
        data: Annotated[Path | None, typer.Option("--data", help="The engine's data folder.")] = None,
        port: Annotated[int | None, typer.Option(help="Port; default from the settings, 0 takes any free one.")] = None,
        *,
        managed: Annotated[bool, typer.Option("--managed", hidden=True)] = False,
    ) -> None:
        """Serve dashboard and API of an engine from this process. `run` starts one by itself when live."""
        from gateway.own import hold, serve

        folder = data or default_data
        if not folder.is_dir():
            raise ConfigError(
                f"there is no data folder {folder}: start the service first, ./moondev run --data {folder}"
            )
        lock = hold(folder)
        try:
            server, link = open_gateway(folder, port, managed=managed)
            typer.echo(f"The gateway serves {link.address} for the engine of {folder}")
            asyncio.run(serve(server, link))
        finally:
            lock.release()
