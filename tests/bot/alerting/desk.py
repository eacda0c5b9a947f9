"""A book with people around it, in virtual time."""

from __future__ import annotations

from bot.alerting.book import Book, acknowledge, raise_alert, resolve
from bot.alerting.kinds import LASTING, URGENT
from bot.alerting.model import Act, News, Say
from bot.alerting.tell import at_once, on_time
from bot.config import AlertConfig
from bot.render import plain
from domain.facts import Severity
from domain.settings import Person, RoleName

SECOND_NS = 1_000_000_000
MINUTE_S = 60
HOUR_S = 3600
ROOM = "telegram:-1"
PERSONS = [
    Person(id="vera", name="Vera", role=RoleName.VIEWER),
    Person(id="tina", name="Tina", role=RoleName.TRADER),
    Person(id="rosa", name="Rosa", role=RoleName.RISK),
]


class Directory:
    """Three persons with a chat and a telephone each, and one room."""

    def __init__(self) -> None:
        self.quiet: set[str] = set()
        self.rooms: tuple[str, ...] = (ROOM,)
        self.deaf: set[str] = set()
        """Who cannot be reached alone."""

    def chats(self) -> tuple[str, ...]:
        return self.rooms

    def persons(self) -> list[Person]:
        return PERSONS

    def contacts(self, person: str, *, with_sms: bool = False) -> list[str]:
        return [] if person in self.deaf else [f"telegram:{person}", *([f"sms:{person}"] if with_sms else [])]

    def is_quiet(self, person: str, now_ns: int) -> bool:
        return person in self.quiet


class Watch:
    """Raises, waits and reads what was said; `now_s` begins at noon of a day."""

    def __init__(self, **config) -> None:
        self.people = Directory()
        self.book = Book(AlertConfig(**{"digest_hour_utc": -1, **config}), self.people)
        self.now_s = 20_000 * 86_400 + 12 * HOUR_S
        self.said: list[Say] = []
        self.acts: list[Act] = []

    @property
    def now_ns(self) -> int:
        return int(self.now_s * SECOND_NS)

    def fire(self, kind="feed_stale", severity=Severity.WARNING, text="look", **labels):
        news = News(
            kind=kind,
            labels=labels,
            severity=severity,
            text=text,
            ts_ns=self.now_ns,
            lasts=kind in LASTING,
            is_urgent=kind in URGENT,
        )
        alert = raise_alert(self.book, news, self.now_ns)
        at_once(self.book, self.now_ns)
        self._drain()
        return alert

    def over(self, *kinds, by="it is back", **labels):
        found = resolve(self.book, kinds, labels, by, self.now_ns)
        self.wait(0)
        return found

    def ack(self, by, *alerts):
        found = acknowledge(self.book, [alert.number for alert in alerts], by, self.now_ns)
        self.wait(0)
        return found

    def wait(self, seconds, step=1.0):
        """Let time go on, second by second."""
        end = self.now_s + seconds
        while True:
            on_time(self.book, self.now_ns)
            self._drain()
            if self.now_s >= end:
                return
            self.now_s = min(end, self.now_s + step)

    def _drain(self) -> None:
        self.said += [one for one in self.book.out if isinstance(one, Say)]
        self.acts += [one for one in self.book.out if isinstance(one, Act)]
        self.book.out.clear()

    def heard(self):
        """What was said since the last time one looked."""
        said, self.said = self.said, []
        return said

    def news(self):
        """Of that, what is no edit."""
        return [one for one in self.heard() if not one.replaces]


def text(say: Say) -> str:
    return plain(say.message)
