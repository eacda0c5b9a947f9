"""Secrets from one private file, for paper and test networks, where there is no vault.

The file has one `name = value` (or `name: value`) a line; `#` begins a comment line. It must be a regular
file, owned by the user that runs the service, readable by nobody else. No message of this module contains
a value or a line of the file.
"""

from __future__ import annotations

import os
import re
import shlex
import stat
from collections.abc import Callable
from pathlib import Path

from domain.errors import ConfigError

PRIVATE_MODE = 0o600
SHORTEST = 8
"""Characters; anything shorter is a mistake, and redacting it would blank ordinary words."""
_MAX_BYTES = 65_536
_LINE = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*)\s*[=:]\s*(.*)")


class FileSecrets:
    """The `Secrets` port over a 0600 file. The file is read anew when it has changed.

    `register` is called with every value as soon as it is read, before anybody can log it.
    A missing file holds no secrets; a file that others can read is refused.
    """

    def __init__(self, path: Path, register: Callable[[str], None]) -> None:
        """Remember the file; it is read when first asked."""
        self._path = path
        self._register = register
        self._stamp: tuple[int, int, int] | None = None
        self._values: dict[str, str] = {}

    def __repr__(self) -> str:
        """The file, never its content."""
        return f"FileSecrets({str(self._path)!r})"

    @property
    def place(self) -> str:
        """Where they are kept, in words."""
        return f"{self._path} (mode 0600)"

    def get(self, name: str) -> str:
        """The secret. Raises `ConfigError` naming the secret and where to put it, never its value."""
        self._refresh()
        if name not in self._values:
            raise ConfigError(
                f"the secret {name!r} is missing: add the line `{name} = ...` to {self._path}, "
                f"then `chmod 600 {shlex.quote(str(self._path))}`"
            )
        return self._values[name]

    def has(self, name: str) -> bool:
        """True when the secret exists. Raises `ConfigError` for a file that is not private or not readable."""
        self._refresh()
        return name in self._values

    def names(self) -> list[str]:
        """Names of all secrets, sorted."""
        self._refresh()
        return sorted(self._values)

    def tell(self, register: Callable[[str], None]) -> None:
        """Call `register` with every secret that is there or is read later, so that none can be logged."""
        self._register = register
        self._stamp = None
        self._refresh()

    def keep(self, name: str, value: str) -> None:
        """Write a secret down, in the place of an earlier one of that name; the file is whole at every moment.

        Raises `ConfigError` as `get` does, and for a name or value that the file could not give back.
        """
        if (
            not _LINE.fullmatch(f"{name} = x")
            or len(value) < SHORTEST
            or not value.isprintable()
            or value != value.strip()
        ):
            raise ConfigError(f"{name!r} cannot be kept as a secret: its name or value is not fit for a file")
        self._refresh()
        self._register(value)
        old = self._path.read_text("utf-8").splitlines() if self._path.exists() else []
        kept = [line for line in old if (match := _LINE.fullmatch(line.strip())) is None or match[1] != name]
        fresh = self._path.with_name(f"{self._path.name}.new")
        fresh.unlink(missing_ok=True)
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE_MODE)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write("\n".join([*kept, f"{name} = {value}", ""]))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)

    def _refresh(self) -> None:
        try:
            handle = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            self._values, self._stamp = {}, None
            return
        except OSError as error:
            if self._path.is_symlink():
                raise ConfigError(
                    f"the secrets file {self._path} is a symbolic link; put the file itself there"
                ) from None
            raise ConfigError(f"the secrets file {self._path} cannot be read: {error.strerror}") from None
        try:
            info = os.fstat(handle)
            self._check(info)
            stamp = (info.st_ino, info.st_mtime_ns, info.st_size)
            if stamp == self._stamp:
                return
            values = self._parse(os.read(handle, _MAX_BYTES + 1))
        finally:
            os.close(handle)
        for value in values.values():
            self._register(value)
        self._values, self._stamp = values, stamp

    def _check(self, info: os.stat_result) -> None:
        quoted = shlex.quote(str(self._path))
        if not stat.S_ISREG(info.st_mode):
            raise ConfigError(f"the secrets file {self._path} is not a regular file; put a plain text file there")
        if info.st_uid != os.geteuid():
            raise ConfigError(
                f"the secrets file {self._path} belongs to user {info.st_uid}, and this runs as {os.geteuid()}: "
                f"`chown {os.geteuid()} {quoted}`"
            )
        mode = stat.S_IMODE(info.st_mode)
        if mode != PRIVATE_MODE:
            raise ConfigError(
                f"the secrets file {self._path} has mode {mode:04o}, it must be 0600: `chmod 600 {quoted}`"
            )

    def _parse(self, raw: bytes) -> dict[str, str]:
        if len(raw) > _MAX_BYTES:
            raise ConfigError(f"the secrets file {self._path} is larger than {_MAX_BYTES} bytes; that cannot be right")
        try:
            lines = raw.decode("utf-8").splitlines()
        except UnicodeDecodeError:
            raise ConfigError(f"the secrets file {self._path} is not UTF-8 text") from None
        values: dict[str, str] = {}
        for number, line in enumerate(lines, start=1):
            text = line.strip()
            if not text or text.startswith("#"):
                continue
            where = f"the secrets file {self._path}, line {number}"
            match = _LINE.fullmatch(text)
            if match is None:
                raise ConfigError(f"{where}: expected `name = value`")
            name, value = match[1], _unquoted(match[2])
            if name in values:
                raise ConfigError(f"{where}: {name} stands twice; keep one")
            if len(value) < SHORTEST:
                raise ConfigError(f"{where}: {name} is shorter than {SHORTEST} characters; that is no secret")
            values[name] = value
        return values


def _unquoted(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    return text
