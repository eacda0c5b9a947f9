"""Which settings file a data folder's service was last started with, for the verbs that look at the folder later."""

from __future__ import annotations

import contextlib
from pathlib import Path

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
