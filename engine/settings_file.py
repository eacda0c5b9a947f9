"""A settings file that a program changes: checked before it is written, written at once and whole, the old one kept.

What people wrote stays as it is, comments included (`engine.config.yaml_edit`). Never more is changed than was shown.
"""

from __future__ import annotations

import datetime as dt
import difflib
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct

from domain.commands import ApplySettings
from domain.errors import ConfigError
from domain.instrument import Instrument
from engine.catalogue import catalogue, check_settings
from engine.config import Config, diff, load_config, remember, remembered
from engine.config.parts import bot_fields, vault_fields
from engine.config.remember import NAME
from engine.config.source import parse_tree, plain
from engine.config.yaml_edit import edited

HEAD = """\
# The settings of this service: only what differs from the built-in paper set-up (`./moondev config show` prints all).
# ./moondev init writes into it and leaves your own lines and comments alone. Secrets never stand here.
environment: paper
"""
KEPT_BACKUPS = 10


class Draft(Struct, frozen=True):
    """A text that the file may become; `lines` is what changes, as `diff -u` shows it."""

    text: str
    lines: tuple[str, ...]


class SettingsFile:
    """One settings file and its data folder. Every method may raise `ConfigError` with what is wrong and where."""

    def __init__(self, path: Path, data: Path) -> None:
        """Nothing is read yet; a link is followed, so that the file itself is changed."""
        self.path = path.resolve() if path.is_symlink() else path
        self._data = data
        self._known: tuple[str, Config] | None = None
        """The text that was read last, and what it means: reading takes a tenth of a second."""

    @property
    def text(self) -> str:
        """What stands in the file; the beginning of a new one where there is none."""
        try:
            return self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return HEAD
        except UnicodeDecodeError:
            raise ConfigError(f"{self.path} is not UTF-8 text; save it as UTF-8") from None

    def config(self) -> Config:
        """The settings as a start would read them."""
        text = self.text
        if self._known is None or self._known[0] != text:
            self._known = text, self._checked(self.path if self.path.exists() else None)
        return self._known[1]

    def own(self) -> dict[str, Any]:
        """What the file itself says."""
        values = plain(parse_tree(self.text, str(self.path)))
        if not isinstance(values, dict):
            raise ConfigError(f"{self.path}: expected keys and values at the top of the file")
        return values

    def sections(self) -> dict[str, Any]:
        """Environment, persons, approvals, and as `bot` what `bot.config.BotConfig` is made of; plain values."""
        config = self.config()
        return {
            "environment": config.environment,
            "persons": [person.model_dump() for person in config.persons],
            "approvals": config.approvals.model_dump(),
            "bot": bot_fields(config),
        }

    def draft(self, changes: Mapping[tuple[str, ...], Any]) -> Draft:
        """The file with the changes made, and checked as a start would check it."""
        before = self.text
        after = edited(before, changes)
        shown = self.path.name
        lines = tuple(difflib.unified_diff(before.splitlines(), after.splitlines(), shown, shown, lineterm="", n=1))
        draft = Draft(after, lines)
        if lines:
            self._checked_draft(draft)
        return draft

    def write(self, draft: Draft) -> Path | None:
        """Put the draft in the place of the file; the old file's copy, None where there was none."""
        if not draft.lines and self.path.exists():
            return None
        copy = self._backup() if self.path.exists() else None
        self._whole(self._fresh, draft.text).replace(self.path)
        remember(self._data, self.path)
        return copy

    @property
    def _fresh(self) -> Path:
        return self.path.with_name(f".{self.path.name}.new")

    def _checked_draft(self, draft: Draft) -> None:
        fresh = self._whole(self._fresh, draft.text)
        try:
            self._checked(fresh)
        except ConfigError as error:
            raise ConfigError(str(error).replace(str(fresh), str(self.path))) from None
        finally:
            fresh.unlink()

    def _checked(self, path: Path | None) -> Config:
        return check_settings(path, "", catalogue(self._data / "strategies"))

    def _whole(self, path: Path, text: str) -> Path:
        """A file that is on the disk before anything points to it, with the mode of the one it may replace."""
        mode = stat.S_IMODE(self.path.stat().st_mode) if self.path.exists() else 0o600
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), mode)  # whatever the process's mask is
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        return path

    def _backup(self) -> Path:
        """A copy of the file beside it; the oldest ones go."""
        now = dt.datetime.now(dt.UTC)
        copy = self.path.with_name(f"{self.path.name}.{now:%Y%m%dT%H%M%S%f}.bak")
        self._whole(copy, self.text)
        for old in self.backups()[:-KEPT_BACKUPS]:
            old.unlink(missing_ok=True)
        return copy

    def backups(self) -> Sequence[Path]:
        """Copies of former versions, oldest first."""
        return sorted(self.path.parent.glob(f"{self.path.name}.*.bak"))


def file_of(data: Path, config: Path | None) -> Path:
    """The settings file of a data folder: the one named, else that of the last start, else its own."""
    return config or remembered(data) or data / NAME


def own_file(data: Path) -> Path | None:
    """The data folder's own settings, which a start takes where no file is named; None where there are none."""
    path = data / NAME
    return path if path.is_file() else None


def vault_fields_of(data: Path) -> dict[str, Any]:
    """Fields of `vault.config.VaultConfig`, by a data folder's settings. Raises `ConfigError`."""
    file = file_of(data, None)
    return vault_fields(load_config(file if file.exists() else None))


class Listing(Protocol):
    """Contracts as the venues have them now, and why those of the others are not known."""

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        """What was read."""
        ...

    @property
    def problems(self) -> tuple[str, ...]:
        """What was not, and why."""
        ...


def wanted(path: Path, data: Path, read: Callable[[Config], Listing]) -> tuple[ApplySettings, list[str]]:
    """The wish for a file's settings, and what it would change in a data folder; `read` asks the venues.

    Raises `ConfigError`.
    """
    from engine.cli import running_settings

    loaded = check_settings(path, "", catalogue(data / "strategies"))
    listed = read(loaded)
    if listed.problems:
        raise ConfigError("; ".join(listed.problems))
    settings = loaded.to_settings(listed.instruments)
    command = ApplySettings(settings=settings, content_hash=loaded.content_hash)
    return command, diff(running_settings(data), settings)


def with_options(config: Config, port: int | None, market: str | None, behind_proxy: Sequence[str] = ()) -> Config:
    """The settings with the dashboard's port, the price source and the proxies that a command line names.

    Raises `ConfigError` for proxies that cannot be, or that a gateway in a process of its own would not hear of.
    """
    if behind_proxy:
        config = _with_proxies(config, behind_proxy)
    if port is not None:
        config = config.model_copy(update={"gateway": config.gateway.model_copy(update={"port": port})})
    if market is not None:
        config = config.model_copy(update={"data_feed": config.data_feed.model_copy(update={"source": market})})
    return config


def _with_proxies(config: Config, networks: Sequence[str]) -> Config:
    from pydantic import ValidationError

    from engine.config.checks import exposed
    from engine.config.doors import GatewaySection

    if config.gateway.process == "own" or (config.gateway.process == "auto" and config.environment == "live"):
        raise ConfigError("the gateway is a process of its own and reads the settings: name proxies in behind_proxy")
    try:
        said = {**config.gateway.model_dump(by_alias=True, exclude_unset=True), "behind_proxy": list(networks)}
        changed = config.model_copy(update={"gateway": GatewaySection.model_validate(said)})
    except ValidationError as error:
        raise ConfigError(f"--behind-proxy: {'; '.join(one['msg'] for one in error.errors())}") from None
    for path, problem in exposed(changed):
        raise ConfigError(f"{'.'.join(map(str, path))} {problem}")
    return changed


def backtest_words(data: Path) -> tuple[str, ...]:
    """The verb that runs a backtest over a data folder's store, strategies and settings of the last start."""
    file = remembered(data)
    named = ("--config", str(file)) if file is not None else ()
    return ("backtest", "--store", str(data), "--strategies", str(data / "strategies"), *named)
