"""What a row of the verb table is, and what its handler is given."""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Final, TypeAlias

from msgspec import Struct

from bot.message import Message
from bot.parse import Argument
from domain.commands import Actor
from domain.settings import Person, RoleName

if TYPE_CHECKING:
    from bot.room import ControlRoom
    from engine.desk import Desk


class Effect(enum.Enum):
    """What a verb may do to risk; it decides whether an old command is still carried out."""

    READS = "reads"
    LOWERS = "lowers"
    """Carried out at any age: halts, cancels, pauses, denials."""
    ADDS = "adds"
    """May add risk: refused when it is older than a minute."""


class Call(Struct, frozen=True, kw_only=True):
    """One use of a verb: who, with which arguments, and where it came from."""

    room: ControlRoom
    actor: Actor
    person: Person
    verb: str
    arguments: dict[str, str]
    request_id: str
    sent_ts_ns: int

    @property
    def desk(self) -> Desk:
        """The engine's front desk."""
        return self.room.desk


GATES: Final = {
    "": "at once",
    "C for all": "all of them you confirm first, within 30 seconds",
    "C": "you confirm it first, within 30 seconds",
    "C, P1 live": "you confirm it first; where money is real another person agrees too (`load_votes`)",
    "C, P2 to add": "you confirm it first; what adds risk takes two persons too",
    "C for the desk's": "for yourself at once; what the alert chats get an admin confirms",
    "P1": "one other person agrees",
    "P1 if critical": "for critical ones another person agrees",
    "P1 if large": "a large one needs another person's vote",
    "P2": "two persons of role risk or higher agree",
    "P2 to add": "at once where it lowers risk; what adds risk takes two persons",
    "C or P1": "you confirm it first; a large one needs another person's vote too",
    "C or P2": "what lowers risk you confirm; what adds risk takes two persons",
    "CODE": "with your one-time code",
}
"""What may stand between a line and its effect, in words."""


Handler: TypeAlias = Callable[[Call], Awaitable[Message]]


class Verb(Struct, frozen=True, kw_only=True):
    """One row of the table. `hidden` verbs are understood but neither listed nor offered."""

    name: str
    help: str
    handler: Handler
    role: RoleName = RoleName.VIEWER
    arguments: tuple[Argument, ...] = ()
    aliases: tuple[str, ...] = ()
    effect: Effect = Effect.READS
    adds_with: str = ""
    """The word that makes a verb which lowers risk one that adds it: `/hold BTC off`."""
    hidden: bool = False
    examples: tuple[str, ...] = ()
    """Lines as people type them, the plainest first."""
    tidy: Callable[[list[str]], list[str]] = list
    """Makes one word of what people write as several, before the words of a line are given to the arguments."""
    by_person: bool = False
    """No program's token may use it: votes, what takes a one-time code, ways in."""
    gate: str = ""
    """What stands between the line and its effect, a key of `GATES`."""

    def effect_with(self, words: Iterable[str]) -> Effect:
        """What the verb may do to risk with these arguments."""
        return Effect.ADDS if self.adds_with and self.adds_with in {word.lower() for word in words} else self.effect

    @property
    def usage(self) -> str:
        """How it is written: `/order buy|sell SYMBOL QTY [ACCOUNT]`."""
        return " ".join([f"/{self.name}", *(argument.usage for argument in self.arguments)])

    @property
    def grammar(self) -> str:
        """How it is written, with an example, for who has written it otherwise."""
        return f"{self.usage}. For example: {self.examples[0]}" if self.examples else self.usage
