"""Text that strangers' code or files gave, made fit for events, logs and answers; and durations in words."""

from __future__ import annotations

from collections.abc import Callable

MOST_TEXT = 500
"""Characters of it that people are shown."""
MOST_LINE = 2_000
"""Characters of a line on a terminal."""


def plain(text: object, most: int = MOST_TEXT, make: Callable[[object], str] = str) -> str:
    """`text` as at most `most` printable characters of UTF-8; also when `str()` of it (or `make`) fails."""
    try:
        whole = make(text)
        part = whole[:most].encode(errors="backslashreplace").decode()
    except BaseException as error:  # noqa: BLE001 - a stranger's __str__ may raise anything, SystemExit too
        return f"(its text cannot be made: {type(error).__name__})"
    shown = "".join(c if c.isprintable() else " " for c in part)
    return shown if len(whole) <= most and len(shown) <= most else f"{shown[: most - 3]}..."


def plain_lines(text: object) -> str:
    """A text of several lines for a terminal: what strangers put into it moves no cursor, turns no letters round."""
    return "\n".join(plain(line, MOST_LINE) for line in str(text).split("\n"))


def error_text(error: BaseException) -> str:
    """An error of a stranger's code with its kind."""
    return f"{plain(type(error).__name__, 80)}: {plain(error)}"


def age_text(seconds: float) -> str:
    """A duration in the largest unit that keeps it readable: `120 ms`, `4 s`, `12 min`, `3.5 h`, `2.1 d`."""
    if seconds < 1:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    for limit, unit, size, digits in ((120, "s", 1, 0), (7200, "min", 60, 0), (172_800, "h", 3600, 1)):
        if seconds < limit:
            return f"{seconds / size:.{digits}f} {unit}"
    return f"{seconds / 86_400:.1f} d"
