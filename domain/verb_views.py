"""The verb table and what verbs answer, as data: for the API, the dashboard and programs, which know no chat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from domain.answer import Answer
from domain.commands import Actor
from domain.document import Block
from domain.record_views import PartView
from domain.room_views import AlertView, DeliveryView, JobReport, JobView, MuteView


class ArgumentView(Struct, frozen=True, kw_only=True):
    """One argument of a verb: what it takes."""

    name: str
    help: str
    is_required: bool
    kind: str
    """`text`: anything; `choice`: one of `choices`; `whole`: a whole number; `pattern`: what fits `pattern`."""
    choices: tuple[str, ...] = ()
    pattern: str = ""
    """A regular expression for the whole word, whatever its case."""
    is_rest: bool = False
    """It may have several words; any other argument is one word."""
    has_offers: bool = False
    """What could be given now is to be had from the view `offers`."""


class VerbView(Struct, frozen=True, kw_only=True):
    """One verb. `path` is its name in an address (`strategies-start`), `gate` what stands between it and its effect."""

    name: str
    path: str
    help: str
    usage: str
    role: str
    """The least role that may use it."""
    effect: str
    """`reads`, `lowers` (risk; carried out at any age) or `adds` (may add risk)."""
    adds_with: str
    """The word among its arguments that makes a verb which lowers risk one that adds it."""
    gate: str
    gate_text: str
    topic: str
    """Under which it is found in a menu."""
    arguments: tuple[ArgumentView, ...]
    aliases: tuple[str, ...]
    examples: tuple[str, ...]
    """Lines as people type them."""
    example_arguments: tuple[dict[str, str], ...]
    """What each of them says, as named arguments."""


class Action(Struct, frozen=True, kw_only=True):
    """What can be done about an answer next: a label, and the verb to post."""

    label: str
    verb: str
    """Its `path`."""
    arguments: dict[str, str]
    is_refusal: bool = False
    """The one that says no: Cancel, Deny."""


class PictureView(Struct, frozen=True, kw_only=True):
    """A drawing; `png` is the file itself, `words` what it shows, for who does not see it."""

    name: str
    words: str
    png: bytes


class FileView(Struct, frozen=True, kw_only=True):
    """A text file that belongs to an answer."""

    name: str
    text: str


class MessageView(Struct, frozen=True, kw_only=True):
    """An answer to be drawn: as `text` says it, laid out, with what can be done next."""

    title: str
    severity: str
    ok: bool
    stamp: str
    """Environment, market, time and age of the data."""
    blocks: tuple[Block, ...] = ()
    actions: tuple[Action, ...] = ()
    pictures: tuple[PictureView, ...] = ()
    file: FileView | None = None
    is_secret: bool = False
    """Holds a code: to be shown to who asked for it alone, and kept nowhere."""


class Remote(Protocol):
    """The control room for who is not in a chat. Verbs never raise for what they come to."""

    def verbs(self) -> Sequence[VerbView]:
        """Every verb that is shown."""
        ...

    async def run(self, actor: Actor, verb: str, arguments: Mapping[str, str], request_id: str) -> Answer:
        """Carry out a verb by name or path. Raises `NotKnown` and `BadArgument`."""
        ...

    async def say(self, actor: Actor, line: str, request_id: str) -> Answer:
        """Carry out a line as typed at a console."""
        ...

    def offers(self, verb: str, argument: str) -> Sequence[str]:
        """What could be given for an argument now. Raises `NotKnown`."""
        ...

    def period(self, text: str) -> tuple[int, int]:
        """A period in words (`7d`, `mtd`), from and until. Raises `BadArgument`."""
        ...

    def alerts(self, state: str) -> Sequence[AlertView]:
        """Alerts that are `open`, `over`, or `all`."""
        ...

    def mutes(self) -> Sequence[MuteView]:
        """What is not told, and until when."""
        ...

    async def jobs(self, before: int, limit: int) -> Sequence[JobView]:
        """The newest jobs with a number below `before` (0 = all), newest first."""
        ...

    async def job(self, job_id: str) -> JobReport:
        """One job with its report. Raises `NotKnown`."""
        ...

    async def deliveries(self) -> Sequence[DeliveryView]:
        """What became of the messages of each channel."""
        ...

    def parts(self) -> Sequence[PartView]:
        """How the parts of the control room are."""
        ...
