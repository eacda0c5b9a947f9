"""The control room for who is not in a chat: the API, the dashboard, programs. Named arguments in, data out.

What a chat shows as signed buttons is here a list of actions, `{label, verb, arguments}`: whoever posts one is checked
like any other caller, so nothing of it has to be signed.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec
import structlog
from msgspec import Struct

from bot.buttons import Signer
from bot.call import GATES, Verb
from bot.harmless import harmless
from bot.help import topic_of
from bot.message import Button, Message, failure
from bot.parse import Argument, UsageError, bind, clean, words_of
from bot.remote_views import RemoteViews
from bot.render import plain
from bot.times import period_of
from bot.verbs import VERBS, find, run_line, run_verb
from domain.answer import Answer, BadArgument, NotKnown
from domain.commands import Actor, Door
from domain.verb_views import Action, ArgumentView, FileView, MessageView, PictureView, VerbView

if TYPE_CHECKING:
    from bot.room import ControlRoom
    from engine.desk import Desk

DOORS: Final = (Door.DASHBOARD, Door.API)
"""Those that get actions for buttons."""
log = structlog.get_logger("bot.remote")


class _Presser(Struct):
    """Signs the buttons that become actions at once; nobody ever sees them."""

    signer: Signer | None


def path_of(verb: Verb) -> str:
    """A verb's name in an address."""
    return verb.name.replace(" ", "-")


class RemoteRoom(RemoteViews):
    """`domain.verb_views.Remote` over a control room."""

    def __init__(self, room: ControlRoom) -> None:
        super().__init__(room)
        self._signer = Signer(secrets.token_hex(), lambda: room.desk.installation)
        self._by_path = {name: verb for verb in VERBS if not verb.hidden for name in (verb.name, path_of(verb))}
        self._views = tuple(_view(verb, room.desk) for verb in VERBS if not verb.hidden)
        for door in DOORS:
            room.confirms.bots[door.value] = _Presser(self._signer)

    def verbs(self) -> Sequence[VerbView]:
        """Every verb that is shown."""
        return self._views

    def offers(self, verb: str, argument: str) -> list[str]:
        """What could be given for an argument now. Raises `NotKnown`."""
        for one in self._verb(verb).arguments:
            if one.name == argument:
                return list(one.choices or (one.complete(self._room.desk) if one.complete is not None else ()))
        raise NotKnown(f"/{verb} has no argument {argument!r}")

    def period(self, text: str) -> tuple[int, int]:
        """A period in words, from and until, in days of UTC. Raises `BadArgument`."""
        try:
            period = period_of(text, time.time_ns())
        except UsageError as error:
            raise BadArgument(str(error)) from None
        return period.since_ns, period.until_ns

    async def run(self, actor: Actor, verb: str, arguments: Mapping[str, str], request_id: str) -> Answer:
        """Carry out a verb with named arguments. Raises `NotKnown` and `BadArgument`."""
        row = self._verb(verb)
        known = [argument.name for argument in row.arguments]
        if unknown := [name for name in arguments if name not in known]:
            there = f"it has {', '.join(known)}" if known else "it has none"
            raise BadArgument(f"/{row.name} has no argument {', '.join(map(repr, unknown))}: {there}")
        return await self._answered(actor, run_verb(self._room, actor, row, dict(arguments), request_id))

    async def say(self, actor: Actor, line: str, request_id: str) -> Answer:
        """Carry out a line as typed at a console."""
        return await self._answered(actor, run_line(self._room, actor, line, request_id))

    def _verb(self, name: str) -> Verb:
        verb = self._by_path.get(name)
        if verb is None:
            raise NotKnown(f"there is no verb {clean(name)[:40]!r}: GET /api/v1/verbs lists them")
        return verb

    async def _answered(self, actor: Actor, running: Awaitable[Message]) -> Answer:
        try:
            message = await running
        except Exception as error:  # noqa: BLE001 - told to the caller; what was done is not known
            log.error("a verb failed", door=actor.door.value, error=type(error).__name__)  # noqa: TRY400
            message = failure(type(error).__name__)
        view = self._message_view(message)
        return Answer(
            ok=message.ok, text=plain(message), message=msgspec.json.encode(view), is_secret=message.is_secret
        )

    def _message_view(self, message: Message) -> MessageView:
        shown = harmless(message)
        return MessageView(
            title=shown.title,
            severity=shown.severity.value,
            ok=shown.ok,
            stamp=shown.stamp,
            blocks=shown.blocks,
            actions=tuple(action for button in shown.buttons if (action := self._action(button)) is not None),
            pictures=tuple(PictureView(name=one.name, words=one.words, png=one.png) for one in shown.pictures),
            file=FileView(name=shown.file_name, text=shown.file_text) if shown.file_name else None,
            is_secret=shown.is_secret,
        )

    def _action(self, button: Button) -> Action | None:
        """The verb that a press of the button would run; None when what it is about is over already."""
        press = self._signer.read(button.data, self._room.subject)
        if not press.line:
            return None
        verb, words = find(words_of(press.line))
        arguments = bind(verb.grammar, verb.arguments, words, self._room.desk)
        return Action(
            label=button.label,
            verb=path_of(verb),
            arguments=arguments,
            is_refusal=button.data.split(":")[2] == "n",
        )


def _view(verb: Verb, desk: Desk) -> VerbView:
    def said(line: str) -> dict[str, str]:
        _, words = find(words_of(line))
        return bind(verb.grammar, verb.arguments, verb.tidy(words), desk)

    return VerbView(
        name=verb.name,
        path=path_of(verb),
        help=verb.help,
        usage=verb.usage,
        role=verb.role.name.lower(),
        effect=verb.effect.value,
        adds_with=verb.adds_with,
        gate=verb.gate,
        gate_text=GATES[verb.gate],
        topic=topic_of(verb.name),
        arguments=tuple(map(_argument, verb.arguments)),
        aliases=verb.aliases,
        examples=verb.examples,
        example_arguments=tuple(map(said, verb.examples)),
    )


def _argument(argument: Argument) -> ArgumentView:
    kind = "choice" if argument.choices else "whole" if argument.whole else "pattern" if argument.pattern else "text"
    return ArgumentView(
        name=argument.name,
        help=argument.help,
        is_required=argument.required,
        kind=kind,
        choices=argument.choices,
        pattern=argument.pattern,
        is_rest=argument.rest,
        has_offers=argument.complete is not None,
    )
