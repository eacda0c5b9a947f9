"""Serves the dashboard's files: one page and the modules, styles and vendored libraries under /static.

They hold no secret and are the same for everybody; the page asks for its data with the session's cookie. A browser
keeps them and asks each time whether they are still right (`no-cache` and an ETag): no tab runs yesterday's code.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOLDER = Path(__file__).with_name("static")
KEEP_AND_ASK = "no-cache"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""Said here: a machine's own table of types may say otherwise, and a browser refuses modules of another type."""


class Assets(StaticFiles):
    """The files of `FOLDER` that have a type of `TYPES`; no listing, and nothing outside of it."""

    def __init__(self) -> None:
        super().__init__(directory=FOLDER, check_dir=True)

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        """Find a file; licences and whatever else lies there are not found."""
        return super().lookup_path(path) if Path(path).suffix in TYPES else ("", None)

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """Answer with a file, its type and how long it may be kept."""
        answer = super().file_response(full_path, stat_result, scope, status_code)
        answer.headers["cache-control"] = KEEP_AND_ASK
        if "content-type" in answer.headers:
            answer.headers["content-type"] = TYPES[Path(full_path).suffix]
        return answer


def page(_: Request) -> Response:
    """The dashboard's one page."""
    headers: dict[str, Any] = {"cache-control": KEEP_AND_ASK}
    return FileResponse(FOLDER / "index.html", media_type=TYPES[".html"], headers=headers)
