"""The dashboard: one page, live over NiceGUI's WebSocket, for whoever has a session.

NiceGUI keeps one application per process; it is set up once here, and every gateway app mounts it.

    screen.py     one browser tab: reads the shared snapshot, updates the widgets, submits what is pressed
    header.py tiles.py chart.py risk.py tables.py console.py      the widgets, each `update(snapshot)`
    grid.py/.js   the table: keyed rows, so that a refresh touches only the cells that changed
    formats.py    numbers, times and colours
"""

from __future__ import annotations

import functools
from pathlib import Path

from fastapi import FastAPI, Request
from nicegui import ui

from gateway.dashboard.screen import Screen

STYLE = Path(__file__).with_name("style.css")
RECONNECT_S = 10.0


@ui.page("/")
def page(request: Request) -> None:
    """Build the page of one tab; the guard has put its session there."""
    ui.add_css(STYLE)
    ui.colors(primary="#4f8ff7", positive="#17694a", negative="#a02c38")
    Screen(request.state.gateway, request.state.session).build()


@functools.cache
def dashboard_app() -> FastAPI:
    """The app that serves the page and NiceGUI's own files and socket; the same one each time."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    ui.run_with(
        app,
        title="MoonDev AlgoTrade",
        favicon="🌙",
        dark=True,
        binding_refresh_interval=None,
        reconnect_timeout=RECONNECT_S,
        gzip_middleware_factory=None,  # on loopback it only costs; and the guard reads the page
        tailwind=False,
        show_welcome_message=False,
    )
    return app
