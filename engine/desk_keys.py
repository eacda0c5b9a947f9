"""Which keys there are: what the vault, or the plain file, says of them, and how far their exchange is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from domain.keys import KeyBook, KeyOld
from domain.record_views import KeyStatus
from domain.settings import DAY_NS


class KeyShelf:
    """The keys that the settings name. `plain` tells of them where there is no vault; `book` is the journal's."""

    def __init__(
        self, names: Sequence[tuple[str, str]], plain: Callable[[], tuple[KeyStatus, ...]], book: Callable[[], KeyBook]
    ) -> None:
        """Nothing is known of a vault yet."""
        self._names = names
        self._plain = plain
        self._book = book
        self.held: Mapping[str, KeyStatus] | None = None
        """What the vault has, by name, as it was looked at last; None = there is none."""
        self.by_program: frozenset[str] = frozenset()
        """Accounts whose keys a program exchanges."""

    def look(self) -> tuple[KeyStatus, ...]:
        """Every key, those that are missing too."""
        return tuple(self._rows())

    def _rows(self) -> Iterator[KeyStatus]:
        turns = self._book().turns
        held = {key.name: key for key in self._plain()} if self.held is None else self.held
        for account, name in self._names:
            missing = KeyStatus(account=account, name=name, fingerprint="", changed_ns=0)
            found, by_program = held.get(name, missing), account in self.by_program
            yield replace(found, account=account, turn=turns.get(name), by_program=by_program)

    def old(self, after_days: int, now_ns: int) -> list[KeyOld]:
        """Keys of the vault that are older than `after_days` (0 = none is) and that nobody was reminded of."""
        told = self._book().old
        return [
            KeyOld(key=key.name, since_ns=key.changed_ns, text=_reminder(key, (now_ns - key.changed_ns) // DAY_NS))
            for key in self.look()
            if after_days and key.kind and 0 < key.changed_ns <= now_ns - after_days * DAY_NS
            if told.get(key.name) != key.changed_ns
        ]


def _reminder(key: KeyStatus, days: int) -> str:
    if key.kind != "exchange":
        what = f"make another where it came from, then `./moondev vault add {key.name}`"
    elif key.by_program:
        what = f"/keys rotate {key.name} exchanges it without a person at the venue"
    else:
        what = f"/keys rotate {key.name} says how it is exchanged"
    return f"The key {key.name} of {key.account} is {days} days old: {what}."
