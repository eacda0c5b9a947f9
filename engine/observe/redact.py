"""Removes secrets from text: the values that were registered, and whatever looks like a token."""

from __future__ import annotations

import base64
import json
import logging
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

MARK = "[redacted]"
MIN_SECRET = 4
"""Shorter values are not registered: redacting them would blank ordinary text."""

_LONG = re.compile(r"(?<![\w-])[\w-]{22,}")
"""Every token below but the JSON web token has a run of this many word characters, and most lines have none."""
_TOKENS = re.compile(
    r"""
    \b(?:bot)?\d{6,12}:[A-Za-z0-9_-]{30,64}                         # Telegram: 123456789:AA..., also in .../bot<token>/
    |(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{23,28}\.[A-Za-z0-9_-]{6,7}\.[A-Za-z0-9_-]{27,45}             # Discord
    |\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}   # JSON web token
    |\b0x[0-9a-fA-F]{64}\b                                         # private key (and transaction hashes with it)
    """,
    re.VERBOSE,
)
_SCHEME = re.compile(r"\b((?:bearer|bot|basic)\s+)[A-Za-z0-9._~+/=-]{16,}", re.IGNORECASE)
_LOGIN = re.compile(r"(://[^\s/:@]*:)[^\s/@]+(?=@)")
_FIELD = re.compile(
    r"""((?:access_token|api_?key|api_?secret|auth|mnemonic|passphrase|passwd|password|private_key
    |secret|signature|token)["']?\s*[=:]\s*["']?)(?!\[redacted)[^\s"'&,;}\])]{6,}""",
    re.VERBOSE | re.IGNORECASE,
)
_FIELD_HINTS = ("token", "key", "secret", "auth", "mnemonic", "pass", "signature")


def _clean_patterns(text: str) -> str:
    """Remove what looks secret; each pattern runs only on text that has its marks."""
    lower = text.lower()
    if "eyJ" in text or _LONG.search(text):
        text = _TOKENS.sub(MARK, text)
    if "earer" in lower or "bot" in lower or "basic" in lower:
        text = _SCHEME.sub(rf"\1{MARK}", text)
    if "://" in text and "@" in text:
        text = _LOGIN.sub(rf"\1{MARK}", text)
    if any(hint in lower for hint in _FIELD_HINTS):
        text = _FIELD.sub(rf"\1{MARK}", text)
    return text


class Redactor:
    """Knows the secrets of this process. `add` them as they are read; `clean` everything that is written."""

    def __init__(self) -> None:
        """Know no secret yet."""
        self._forms: set[str] = set()
        self._known: re.Pattern[str] | None = None

    def add(self, secret: str) -> None:
        """Remember a secret, and how it looks in URLs, JSON and base64."""
        if len(secret) < MIN_SECRET:
            return
        encoded = base64.b64encode(secret.encode()).decode().rstrip("=")
        self._forms.update((secret, encoded, quote(secret, safe=""), quote_plus(secret), repr(secret)[1:-1]))
        self._forms.update(json.dumps(secret, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False))
        longest_first = sorted(self._forms, key=lambda form: (-len(form), form))
        self._known = re.compile("|".join(map(re.escape, longest_first)))

    def mask(self, text: str) -> str:
        """The text with every registered secret replaced by `MARK`; what only looks like one stays."""
        return text if self._known is None else self._known.sub(MARK, text)

    def clean(self, text: str) -> str:
        """The text with every secret replaced by `MARK`, and whatever looks like one."""
        return _clean_patterns(self.mask(text))

    def clean_value(self, value: Any) -> Any:  # noqa: ANN401 - anything that somebody logs
        """A value with every text inside it cleaned; what is no text, number or container becomes clean text."""
        if value is None or isinstance(value, (bool, int, float)):
            return value
        if isinstance(value, str):
            return self.clean(value)
        if isinstance(value, dict):
            return {self.clean(_shown(key)): self.clean_value(item) for key, item in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self.clean_value(item) for item in value]
        return self.clean(_shown(value))


def redact_records(redactor: Redactor) -> Callable[[], None]:
    """Clean every stdlib log record at its birth, whatever handler it meets. Returns the way to undo it.

    A filter on the root logger would miss records of other loggers, and a filter on our handlers other
    people's handlers.
    """
    make = logging.getLogRecordFactory()

    def make_clean(*args: Any, **kwargs: Any) -> logging.LogRecord:  # noqa: ANN401 - LogRecord's own arguments
        record = make(*args, **kwargs)
        if isinstance(record.msg, str):
            record.msg = redactor.clean(record.msg)
        if isinstance(record.args, Mapping):
            record.args = {key: _clean_argument(redactor, value) for key, value in record.args.items()}
        elif record.args:
            record.args = tuple(_clean_argument(redactor, value) for value in record.args)
        return record

    logging.setLogRecordFactory(make_clean)
    return lambda: logging.setLogRecordFactory(make)


def _clean_argument(redactor: Redactor, value: object) -> object:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    text = _shown(value)
    clean = redactor.clean(text)
    return value if clean == text and text != _unshowable(value) else clean


def _shown(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - logging a thing must not fail because the thing cannot be shown
        return _unshowable(value)


def _unshowable(value: object) -> str:
    return f"<{type(value).__name__} that cannot be shown>"
