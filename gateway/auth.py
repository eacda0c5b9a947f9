"""Who is at the keyboard: one-time login links and the sessions they open.

A link carries a 256-bit token, works once and for ten minutes. Opening it (GET) changes nothing, because chat
previews open links too; pressing its button (POST) spends it and opens a session. Of links and sessions only the
SHA-256 is kept. Sessions survive a restart in a file of mode 0600; links do not.

A scraper of `/metrics` cannot press buttons: it sends the token of the file `metrics.token` beside the sessions', which
is made at the first start with mode 0600 and opens nothing else.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import structlog
from msgspec import Struct

from domain.errors import MoonDevError
from domain.settings import MINUTE_NS

LINK_LIFE_NS = 10 * MINUTE_NS
SESSION_LIFE_NS = 12 * 60 * MINUTE_NS
TOKEN_BYTES = 32

log = structlog.get_logger(__name__)


class LinkRefused(MoonDevError):
    """A login link that was used, has expired or never existed; says how to get a new one."""


class Link(Struct, frozen=True, kw_only=True):
    """A login link that waits to be used once, by its `person`, until `expires_ns`."""

    person: str
    expires_ns: int


class Session(Struct, frozen=True, kw_only=True):
    """A browser that logged in as `person`; `key` is the SHA-256 of its cookie."""

    key: str
    person: str
    expires_ns: int


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


class Auth:
    """Links, sessions and the scraper's token. `store` is where sessions survive a restart (None: they do not)."""

    def __init__(self, store: Path | None = None, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._store = store
        self._now_ns = now_ns
        self._links: dict[str, Link] = {}
        self._sessions: dict[str, Session] = self._load()
        self.scrape_token = self._scrape_token()

    def new_link(self, person_id: str) -> str:
        """Make a login link for a person; returns its path (`/login/...`), which is a secret until it is used."""
        now_ns = self._now_ns()
        self._links = {key: link for key, link in self._links.items() if link.expires_ns > now_ns}
        token = secrets.token_urlsafe(TOKEN_BYTES)
        self._links[_digest(token)] = Link(person=person_id, expires_ns=now_ns + LINK_LIFE_NS)
        return f"/login/{token}"

    def redeem(self, token: str) -> tuple[str, Session]:
        """Spend a link: returns the cookie's secret and the session. Raises `LinkRefused`."""
        link = self._links.pop(_digest(token), None)
        if link is None or link.expires_ns <= self._now_ns():
            raise LinkRefused("This login link was already used or has expired. Ask for a new one.")
        secret = secrets.token_urlsafe(TOKEN_BYTES)
        session = Session(key=_digest(secret), person=link.person, expires_ns=self._now_ns() + SESSION_LIFE_NS)
        self._sessions[session.key] = session
        self._save()
        return secret, session

    def session(self, secret: str) -> Session | None:
        """Find the session of a cookie's secret; None when there is none or it has expired."""
        session = self._sessions.get(_digest(secret))
        return session if session is not None and self.alive(session) else None

    def alive(self, session: Session) -> bool:
        """Tell whether a session may still act: not ended, not expired."""
        return session.key in self._sessions and session.expires_ns > self._now_ns()

    def end(self, session: Session) -> None:
        """Log a browser out."""
        self._sessions.pop(session.key, None)
        self._save()

    def may_scrape(self, token: str) -> bool:
        """Tell whether this is the scraper's token."""
        return secrets.compare_digest(token.encode(), self.scrape_token.encode())

    def _scrape_token(self) -> str:
        """The token of the file; a new one where there is no file that can be read."""
        fresh = secrets.token_urlsafe(TOKEN_BYTES)
        if self._store is None:
            return fresh
        file = self._store.with_name("metrics.token")
        try:
            if file.exists() and (kept := file.read_text(encoding="ascii").strip()):
                return kept
            file.unlink(missing_ok=True)
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as made:
                made.write(fresh)
        except (OSError, UnicodeDecodeError) as error:
            log.warning("metrics.token cannot be read or written, /metrics is closed to scrapers", error=str(error))
        return fresh

    def end_all(self) -> None:
        """Log everybody out, and let no link work that was made before: after a breach of security."""
        self._sessions.clear()
        self._links.clear()
        self._save()

    def _load(self) -> dict[str, Session]:
        if self._store is None or not self._store.exists():
            return {}
        try:
            sessions = msgspec.json.decode(self._store.read_bytes(), type=list[Session])
        except (OSError, msgspec.DecodeError) as error:
            log.warning("dashboard sessions are unreadable, everyone logs in again", error=str(error))
            return {}
        return {session.key: session for session in sessions if session.expires_ns > self._now_ns()}

    def _save(self) -> None:
        """Write the living sessions; a disk that refuses only costs a new login after a restart."""
        self._sessions = {key: session for key, session in self._sessions.items() if self.alive(session)}
        if self._store is None:
            return
        draft = self._store.with_suffix(".new")
        try:
            with contextlib.suppress(FileNotFoundError):
                draft.unlink()
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(msgspec.json.encode(list(self._sessions.values())))
            draft.replace(self._store)
        except OSError as error:
            log.warning("dashboard sessions could not be saved", error=str(error))
