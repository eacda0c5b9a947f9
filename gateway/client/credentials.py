"""How a client comes in: with a token, or with a session that it opens with a login link. Never from a command line.

A token file is for its owner alone (0600). Sessions can be kept in such a file too, so that a terminal logs in once.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

import httpx
import msgspec
from msgspec import Struct

from domain.errors import ConfigError
from gateway.client.errors import ApiProblem, NoAnswer

KEYRING_SERVICE: Final = "moondev"
_HIDDEN: Final = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')


class Credentials(Protocol):
    """What a client sends to say who it is."""

    def headers(self, http: httpx.Client) -> dict[str, str]:
        """Headers of every request, got with `http` where they are not known yet. Raises `ClientError`."""
        ...

    def refused(self) -> bool:
        """They were not taken (401): True when there is another way to be tried now."""
        ...


class Token:
    """A token of the API."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    @classmethod
    def from_file(cls, path: str | Path) -> Token:
        """The token in a file that only its owner may read. Raises `ConfigError`."""
        secret = read_private(Path(path))
        if not secret.isprintable():
            raise ConfigError(f"{path} holds more than a token")
        return cls(secret)

    @classmethod
    def from_keyring(cls, name: str) -> Token:
        """The token that the system's keyring has under `name`. Raises `ConfigError`."""
        import keyring
        from keyring.errors import KeyringError

        try:
            secret = keyring.get_password(KEYRING_SERVICE, name)
        except KeyringError as error:
            raise ConfigError(f"the keyring does not answer ({type(error).__name__}): use a token file") from None
        if not secret:
            raise ConfigError(f"the keyring has no {KEYRING_SERVICE} {name!r}: keyring set {KEYRING_SERVICE} {name}")
        return cls(secret)

    def headers(self, _http: httpx.Client) -> dict[str, str]:
        """The token."""
        return {"Authorization": f"Bearer {self._secret}"}

    def refused(self) -> bool:
        """There is no other token."""
        return False


class ServiceFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A service elsewhere, as a YAML file says it: its address and one of a token and its name in the keyring."""

    url: str
    token: str = ""
    keyring: str = ""
    ca: str | None = None
    """File with the certificate authority to trust instead of the system's."""

    @classmethod
    def read(cls, path: Path) -> ServiceFile:
        """Read it. Raises `ConfigError`."""
        try:
            found = msgspec.yaml.decode(read_private(path), type=cls)
        except msgspec.DecodeError as error:
            raise ConfigError(f"{path}: {error}; it takes url, token or keyring, ca") from None
        if bool(found.token) is bool(found.keyring) or not found.url.startswith(("http://", "https://")):
            raise ConfigError(f"{path}: it takes url (http:// or https://) and one of token and keyring")
        return found

    def credentials(self) -> Token:
        """The token. Raises `ConfigError`."""
        return Token(self.token) if self.token else Token.from_keyring(self.keyring)


class Session:
    """A session that is opened with a login link, when it is first needed and when it has ended.

    `new_link` gives a fresh one, whole address included; `kept` is the file in which the session outlives the process.
    """

    def __init__(self, new_link: Callable[[], str], kept: Path | None = None) -> None:
        self._new_link = new_link
        self._kept = kept
        self._cookie = ""
        self._is_fresh = False

    def headers(self, http: httpx.Client) -> dict[str, str]:
        """The session's cookie, and what a page of the dashboard would send with it."""
        if not self._cookie:
            self._cookie = self._read()
        if not self._cookie:
            self._log_in(http)
        origin = str(http.base_url).rstrip("/")
        return {"Cookie": self._cookie, "Origin": origin, "X-Requested-With": "client"}

    def refused(self) -> bool:
        """A session that has ended is opened anew, once."""
        if self._is_fresh:
            return False
        self._cookie = ""
        if self._kept is not None:
            self._kept.unlink(missing_ok=True)
        return True

    def _log_in(self, http: httpx.Client) -> None:
        link = self._new_link()
        path = urlsplit(link).path
        if not path.startswith("/login/"):
            raise NoAnswer(link)
        page = http.get(path)
        form = {name: unescape(value) for name, value in _HIDDEN.findall(page.text)}
        origin = str(http.base_url).rstrip("/")
        cookies = {"Cookie": _cookies(page)} if page.cookies else {}
        answer = http.post("/login", data=form, headers={"Origin": origin, **cookies})
        self._cookie = _cookies(answer)
        http.cookies.clear()
        if answer.status_code != httpx.codes.SEE_OTHER or not self._cookie:
            raise ApiProblem(answer.status_code, "login", "The login link was not taken")
        self._is_fresh = True
        if self._kept is not None:
            write_private(self._kept, self._cookie)

    def _read(self) -> str:
        if self._kept is None or not self._kept.exists():
            return ""
        return read_private(self._kept)


def _cookies(answer: httpx.Response) -> str:
    return "; ".join(f"{name}={value}" for name, value in answer.cookies.items() if value)


def read_private(path: Path) -> str:
    """The text of a file that only its owner may read, its ends stripped. Raises `ConfigError`."""
    try:
        with path.open(encoding="ascii") as file:
            mode = os.fstat(file.fileno()).st_mode
            if mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise ConfigError(f"{path} can be read by others: chmod 600 {path}, and take a new token")
            text = file.read(4096).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}") from None
    if not text:
        raise ConfigError(f"{path} is empty")
    return text


def write_private(path: Path, text: str) -> None:
    """Write a file for its owner alone, whole or not at all."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(text)
    draft.replace(path)
