"""A control room over a real engine, whose letters are noted instead of sent; time is given."""

from contextlib import asynccontextmanager
from decimal import Decimal

from bot.carrier import RefusedForGood
from bot.config import AlertConfig, BotConfig, DiscordConfig, TelegramConfig
from bot.message import Message
from bot.room import ControlRoom
from bot.store import OpsStore
from bot.verbs import run_line
from domain.commands import Door, ManualTarget
from tests.bot.world import BTC, GROUP, Engine, actor, fresh_id, until

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
DAY_NS = 86_400 * SECOND_NS
CONFIG = BotConfig(
    telegram=TelegramConfig(enabled=True, alert_chats=(GROUP,)),
    discord=DiscordConfig(enabled=True, alert_channels=()),
    alerts=AlertConfig(),
)


class Carrier:
    """Takes every letter, and knows what each chat shows."""

    def __init__(self):
        self.sent: list[tuple[str, str, str]] = []
        """Recipient, the id that was edited ("" = a new message), and the text."""
        self.gone: set[str] = set()
        """Messages that were deleted: an edit is sent anew."""
        self.blocked: set[str] = set()

    async def deliver(self, letter, replaces_id):
        if letter.recipient in self.blocked:
            raise RefusedForGood("Forbidden: bot was blocked by the user")
        edited = "" if replaces_id in self.gone else replaces_id
        self.sent.append((letter.recipient, edited, letter.parcel.plain))
        return edited or f"m{len(self.sent)}"

    def to(self, recipient):
        return [(edited, text) for whom, edited, text in self.sent if whom == recipient]


@asynccontextmanager
async def control_room(tmp_path, engine: Engine, config: BotConfig = CONFIG, carrier: Carrier | None = None):
    room = ControlRoom(engine.desk, OpsStore(tmp_path / "ops.db"), config)
    await room.store.start()
    await room.people.start()
    await room.subscriptions.start()
    await room.schedules.start(engine.now_ns())
    await room.confirms.start()
    await room.outbox.start()
    for channel in ("telegram", "discord", "email"):
        room.outbox.attach(channel, carrier or Carrier())
    try:
        yield room
    finally:
        await room.outbox.aclose()
        await room.store.aclose()


async def settled(room):
    """Everything that was queued is out: the chats' budgets are refilled for it."""
    for budget in [line.budget for line in room.outbox._lines.values()]:
        budget.tokens = budget.burst = 1e9
    await until(lambda: room.outbox.waiting() == 0)


async def say(room, person, line, door=Door.TELEGRAM) -> Message:
    return await run_line(room, actor(person, door), line, fresh_id())


async def trade(room, quantity: str, person="tina", instrument=BTC) -> None:
    """A person's own order, without being asked back."""
    command = ManualTarget(account="PAPER:main", instrument=instrument, qty=Decimal(quantity))
    done = await room.desk.submit(command, actor(person), fresh_id())
    assert done.ok, done.text
