"""Which settings file a data folder's service was last started with, for the verbs that look at the folder later."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from domain.errors import ConfigError

if TYPE_CHECKING:
    from engine.config.models import Config
    from engine.core.state import State

NAME = "settings.yaml"
"""In a data folder: the settings that `run` takes where no other file is named."""
REMEMBERED = "settings-file"
"""In the data folder: the absolute path of the file, empty for the built-in set-up."""


def remember(data: Path, config: Path | None) -> None:
    """Note the file of this start. Raises OSError."""
    path = data / REMEMBERED
    text = f"{config.absolute()}\n" if config is not None else "\n"
    if not path.is_file() or path.read_text(encoding="utf-8", errors="replace") != text:
        path.write_text(text, encoding="utf-8")


def remembered(data: Path) -> Path | None:
    """The file of the last start; None = the built-in set-up, or there was no start yet."""
    with contextlib.suppress(OSError):
        text = (data / REMEMBERED).read_text(encoding="utf-8", errors="replace").strip()
        return Path(text) if text else None
    return None


def check_environment(data: Path, state: State, config: Config) -> None:
    """A data folder belongs to one environment. Raises `ConfigError` when it is to be started as another."""
    own = state.settings.environment
    if state.epoch and own != config.environment:
        raise ConfigError(
            f"{data} is the data folder of {own.value}, and these settings are for {config.environment}: every "
            f"environment has a folder of its own, .moondev/{config.environment} by default (--data, --env)"
        )
