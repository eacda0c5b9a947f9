"""A line of text to a verb and its arguments; what is wrong is said with the nearest right word.

line     = "/" verb [argument ...]        verbs may have two words: `/strategies start`
argument = one word; the last one of some verbs takes the rest of the line
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from domain.errors import MoonDevError
from domain.instrument import AccountId, InstrumentId

if TYPE_CHECKING:
    from engine.desk import Desk

MAX_LINE = 1000
MAX_WHOLE = 1 << 53
NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)")
"""Python would also take 1_0, 1e3 and the digits of other scripts, which nobody reads as it does."""
_TERMINAL = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?)|\x9b[0-?]*[ -/]*[@-~]")
"""What a terminal takes for a command: colours, cursor, window title."""
Complete = Callable[["Desk"], Iterable[str]]
"""What could be typed for an argument now, for completion and for error messages."""


class UsageError(MoonDevError):
    """A line that cannot be understood; its text says what was wrong and what would be right."""


class Argument(Struct, frozen=True, kw_only=True):
    """One argument of a verb.

    `choices` are the only words it takes, `whole` takes only whole numbers, `pattern` what fits it (a regular
    expression), `rest` what is left of the line.
    """

    name: str
    help: str
    required: bool = True
    choices: tuple[str, ...] = ()
    whole: bool = False
    pattern: str = ""
    """Of the only words it takes; `help` says what they are."""
    rest: bool = False
    complete: Complete | None = None

    @property
    def usage(self) -> str:
        """How it is written in a usage line: `SYMBOL`, `buy|sell`, `[REASON...]`."""
        text = "|".join(self.choices) or self.name.upper()
        text += "..." if self.rest else ""
        return text if self.required else f"[{text}]"

    def takes(self, word: str) -> bool:
        """True when the word can be this argument."""
        if self.whole:
            return word.isascii() and word.isdecimal() and int(word) < MAX_WHOLE
        if self.pattern:
            return re.fullmatch(self.pattern, word.lower()) is not None
        return not self.choices or word.lower() in self.choices


def clean(text: str) -> str:
    """What a person typed, as others may be shown it: the one place where it is made harmless.

    Terminal sequences, control characters, and characters that are invisible or turn the writing direction are taken
    out, line breaks become spaces, what no encoding can carry becomes `?`, and it is not longer than anybody types.
    """
    text = _TERMINAL.sub("", text[:MAX_LINE].encode("utf-8", "replace").decode())
    return "".join(map(_harmless, text)).strip()


def _harmless(char: str) -> str:
    if char.isprintable():
        return char
    return " " if char.isspace() else ""


def words_of(text: str, bot_name: str = "") -> list[str]:
    """The words of a command line, slash and `@bot_name` taken off the first; empty when it is no command."""
    words = clean(text).split()
    if not words or not words[0].startswith("/"):
        return []
    name, _, addressee = words[0][1:].partition("@")
    if addressee and bot_name and addressee.lower() != bot_name.lower():
        return []
    return [name.lower(), *words[1:]]


def nearest(word: str, known: Iterable[str], count: int = 3, likeness: float = 0.5) -> list[str]:
    """The known words that look most like `word`, best first, whatever the case; `likeness` 1 is the same word."""
    by_lower = {name.lower(): name for name in known}
    return [by_lower[hit] for hit in difflib.get_close_matches(word.lower(), by_lower, n=count, cutoff=likeness)]


def suggest(word: str, known: Iterable[str]) -> str:
    """A sentence that offers the nearest words, else some of what there is, else says there is nothing."""
    names = list(known)
    hits = nearest(word, names)
    if hits:
        return f"did you mean {' or '.join(hits)}?"
    if not names:
        return "there are none now"
    return f"there are {', '.join(names[:12])}{', ...' if len(names) > 12 else ''}"


def bind(usage: str, arguments: Sequence[Argument], words: Sequence[str], desk: Desk) -> dict[str, str]:
    """Give each word to its argument; one that an optional argument cannot take goes to the next.

    Raises `UsageError`.
    """
    bound: dict[str, str] = {}
    left = list(words)
    for position, argument in enumerate(arguments):
        if not left:
            break
        if argument.rest:
            bound[argument.name] = " ".join(left)
            left = []
        elif argument.takes(left[0]) or argument.required or position == len(arguments) - 1:
            bound[argument.name] = left.pop(0)
    if left:
        known = [name for argument in arguments for name in _possible(argument, desk)]
        hint = f" {suggest(left[0], known)}" if known else ""
        raise UsageError(f"{' '.join(left)!r} is too much.{hint} Usage: {usage}")
    check(usage, arguments, bound)
    return bound


def check(usage: str, arguments: Sequence[Argument], bound: dict[str, str]) -> None:
    """Raise `UsageError` when a required argument is missing or a word cannot be its argument."""
    for argument in arguments:
        word = bound.get(argument.name)
        if word is None:
            if argument.required:
                raise UsageError(f"{argument.usage} is missing ({argument.help}). Usage: {usage}")
        elif not argument.takes(word):
            hint = f": {suggest(word, argument.choices)}" if argument.choices else " (a whole number)."
            raise UsageError(f"{word!r} is not {argument.usage}{hint} Usage: {usage}")
        elif not argument.rest and len(word.split()) != 1:
            raise UsageError(f"{argument.usage} is one word, not {word!r}. Usage: {usage}")


def _possible(argument: Argument, desk: Desk) -> list[str]:
    return list(argument.choices or (argument.complete(desk) if argument.complete else ()))


def instrument_of(desk: Desk, text: str) -> InstrumentId:
    """The instrument that a person means. Raises `UsageError` with the nearest ones."""
    found = desk.instrument(text)
    if found is None:
        several = [name for name in desk.instruments() if name.partition("-")[0] == text.upper()]
        if several:
            raise UsageError(f"{text!r} is traded as {' and '.join(several)}: write which one")
        raise UsageError(f"no instrument is called {text!r}: {suggest(text, symbols(desk))}")
    return found


def symbols(desk: Desk) -> list[str]:
    """Base assets and full ids of all instruments, bases first."""
    ids = desk.instruments()
    return [*dict.fromkeys(name.partition("-")[0] for name in ids), *ids]


def venues(desk: Desk) -> list[str]:
    """The venues of the contracts there are."""
    return sorted({instrument.partition(".")[2] for instrument in desk.instruments()})


def accounts(desk: Desk) -> list[AccountId]:
    """The accounts there are."""
    return [view.account for view in desk.balances()]


def account_of(desk: Desk, text: str, instrument: InstrumentId = "") -> AccountId:
    """The account that a person means; without a text the only one at the instrument's venue.

    Raises `UsageError` naming the accounts when there is none or more than one.
    """
    known = accounts(desk)
    if text:
        exact = [name for name in known if text.lower() in {name.lower(), name.lower().partition(":")[2]}]
        if len(exact) == 1:
            return exact[0]
        raise UsageError(f"no account is called {text!r}: {suggest(text, known)}")
    venue = instrument.partition(".")[2]
    fitting = [name for name in known if not venue or name.partition(":")[0] == venue] or known
    if len(fitting) != 1:
        raise UsageError(f"say which account: {', '.join(fitting) or 'there are none'}")
    return fitting[0]


def count_of(text: str, most: int) -> int:
    """A whole number from 1 to `most`. Raises `UsageError`."""
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= most:
        raise UsageError(f"{text!r} is not a count: say a whole number from 1 to {most}")
    return int(text)


def params_of(text: str) -> dict[str, object]:
    """`key=value` words as a dictionary; numbers and true/false are recognised. Raises `UsageError`."""
    found: dict[str, object] = {}
    for word in text.split():
        key, equals, value = word.partition("=")
        if not key or not equals:
            raise UsageError(f"{word!r} is not KEY=VALUE. For example: window=55")
        if key in found:
            raise UsageError(f"{key} is given twice")
        found[key] = _value(value)
    return found


def _value(text: str) -> object:
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    if not text.isascii() or "_" in text:
        return text
    try:
        whole = int(text)
    except ValueError:
        pass
    else:
        if abs(whole) > MAX_WHOLE:
            raise UsageError(f"{text} is larger than any parameter may be")
        return whole
    try:
        value = float(text)
    except ValueError:
        return text
    return value if math.isfinite(value) else text
