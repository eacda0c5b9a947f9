"""The token of `/metrics`: a file of mode 0600 in the data folder, made at the first start. It opens nothing else."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

import structlog

from gateway.access.secret import TOKEN_BYTES

FILE: Final = "metrics.token"
log = structlog.get_logger(__name__)


def scrape_token(folder: Path) -> str:
    """The token of the file; a new one where there is no file that can be read."""
    fresh, file = secrets.token_urlsafe(TOKEN_BYTES), folder / FILE
    try:
        if file.exists() and (kept := file.read_text(encoding="ascii").strip()):
            return kept
        file.unlink(missing_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as made:
            made.write(fresh)
    except (OSError, UnicodeDecodeError) as error:
        log.warning("metrics.token cannot be read or written, /metrics is closed to scrapers", error=str(error))
    return fresh


def is_scraper(expected: str, token: str) -> bool:
    """Whether this is the scraper's token, in a time that does not tell how much of it was right."""
    return bool(expected) and secrets.compare_digest(token.encode("utf-8", "surrogatepass"), expected.encode())
