"""What the guided set-up needs of other rooms; `main.py` fills it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from msgspec import convert

from bot.config import BotConfig
from domain.errors import MoonDevError

CODE_WAIT_S = 600.0
"""How long a code is waited for, as long as the running service does."""
PRESS_WAIT_S = 120.0


class Stopped(MoonDevError):
    """A step that cannot go on; its text says why and what to do. What was done before is kept."""


class Keeper(Protocol):
    """Secrets that can also be kept, in the vault or in a file that only its owner reads."""

    @property
    def place(self) -> str:
        """Where they are kept, in words."""
        ...

    def has(self, name: str) -> bool:
        """True when the secret exists."""
        ...

    def get(self, name: str) -> str:
        """The secret."""
        ...

    def keep(self, name: str, value: str) -> None:
        """Write a secret down, in the place of an earlier one."""
        ...


class Draft(Protocol):
    """A changed settings file that is not written yet."""

    @property
    def lines(self) -> tuple[str, ...]:
        """What changes, as `diff -u` shows it; empty = nothing."""
        ...


class File(Protocol):
    """The settings file. Every method may raise `ConfigError`."""

    path: Path

    def own(self) -> dict[str, Any]:
        """What the file itself says."""
        ...

    def sections(self) -> dict[str, Any]:
        """`environment`, `persons`, `approvals`, and `bot`: plain fields of `BotConfig`."""
        ...

    def draft(self, changes: Mapping[tuple[str, ...], Any]) -> Draft:
        """The file with changes, checked."""
        ...

    def write(self, draft: Any) -> Path | None:  # noqa: ANN401 - what `draft` gave
        """Write it whole; the copy of the old one."""
        ...


class Authenticators(Protocol):
    """One-time codes (TOTP)."""

    def name(self, person: str) -> str:
        """Under which name a person's secret is kept."""
        ...

    def new(self, person: str) -> tuple[str, str]:
        """A new secret, and the address that an authenticator app reads."""
        ...

    def is_right(self, secret: str, code: str) -> bool:
        """Whether a code is one of now."""
        ...


class Tools(Protocol):
    """Everything of other rooms, for one data folder."""

    data: Path
    secrets: Keeper

    @property
    def file(self) -> File:
        """The settings file."""
        ...

    @property
    def codes(self) -> Authenticators:
        """Authenticators of persons."""
        ...

    @property
    def new_code(self) -> Callable[[], str]:
        """Makes a link code, as the running service does."""
        ...

    @property
    def has_run(self) -> bool:
        """Whether the folder has a journal: then its persons and limits are in force, not the file's."""
        ...

    def is_running(self) -> bool:
        """Whether a service runs on the data folder."""
        ...


def bot_of(tools: Tools) -> BotConfig:
    """The chat part of the settings, as it is now."""
    return convert(tools.file.sections()["bot"], BotConfig)


def refuse_beside_a_service(tools: Tools, step: str) -> None:
    """Raise `Stopped` when a service runs: two programs on one token take each other's messages."""
    if tools.is_running():
        raise Stopped(
            f"a service runs on {tools.data}. Two programs that listen to one bot take each other's messages, a halt "
            f"among them: stop it first (Ctrl-C there), then ./moondev init {step}. To link an account while it "
            "runs: ./moondev console, /link telegram"
        )
