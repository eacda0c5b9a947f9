"""From a fact to a telephone and back, with the real engine and the local chat servers."""

from bot.alerting.safety import ACTOR
from bot.verbs import run_line
from domain.commands import Door, Halt
from domain.facts import CommandDone, RequestChanged, Severity, StrategyStatus
from domain.verdict import Reason
from tests.bot.alerting.test_ack import publish
from tests.bot.servers.discord_server import shown
from tests.bot.world import DISCORD, GROUP, TELEGRAM, actor, fresh_id, until, wall_ns, world

MINUTE_NS = 60 * 10**9


class Clock:
    """The alerts' clock, to be set forward."""

    def __init__(self, w):
        self.ahead_ns = 0
        self.now_ns = w.room.alerts.now_ns
        w.room.alerts.now_ns = lambda: self.now_ns() + self.ahead_ns

    async def forward(self, w, minutes):
        self.ahead_ns += minutes * MINUTE_NS
        await w.room.alerts.tick()


async def run(w, line, person):
    return await run_line(w.room, actor(person), line, fresh_id())


async def test_those_on_call_are_named_so_that_their_telephones_ring(tmp_path):
    async with world(tmp_path, on_call=("rosa",)) as w:
        publish(w, "venue_down", Severity.ERROR, "BYBIT is disconnected", venue="BYBIT")
        alert = await w.telegram.text("BYBIT is disconnected", chat=GROUP)
        assert "For Rosa" in alert.text
        card = await w.discord.text("BYBIT is disconnected")
        assert card["content"] == f"<@{DISCORD['rosa']}>"
        assert "For Rosa" in shown(card)


async def test_when_nobody_acts_every_strategy_is_paused_once_in_nobodys_name_and_everybody_hears_of_it(tmp_path):
    async with world(tmp_path, "telegram", strategies=True) as w:
        running = [view.id for view in w.desk.strategies()]
        assert running
        clock = Clock(w)
        publish(w, "dead_man", Severity.CRITICAL, "the switch has fired", account="PAPER:main")
        await w.telegram.text("the switch has fired", chat=GROUP)
        await clock.forward(w, 2)
        assert "in 13 min" in (await w.telegram.text("Nobody has acknowledged a critical alert", chat=GROUP)).text
        await clock.forward(w, 13)
        said = await w.telegram.text("SAFE ACTION taken", chat=TELEGRAM["vera"])
        assert all(f"{name} is paused." in said.text for name in running)
        assert {view.status for view in w.desk.strategies()} == {StrategyStatus.PAUSED}
        done = [fact for fact in w.engine.facts if isinstance(fact, CommandDone) and fact.verb == "pause"]
        assert [(fact.actor.person, fact.actor.door) for fact in done] == [("safe-action", Door.SYSTEM)] * len(running)
        await clock.forward(w, 30)
        again = [fact for fact in w.engine.facts if isinstance(fact, CommandDone) and fact.verb == "pause"]
        assert len(again) == len(done)


async def test_the_safe_action_may_be_a_halt_and_a_kill_before_it_is_written_down_does_not_halt_twice(tmp_path):
    async with world(tmp_path, "telegram", safe_action="halt", update_s=0.05) as first:
        clock = Clock(first)
        publish(first, "dead_man", Severity.CRITICAL, "the switch has fired", account="PAPER:main")
        await first.telegram.text("the switch has fired", chat=GROUP)
        await clock.forward(first, 15)
        await first.telegram.text("Trading is HALTED by the safe action", chat=GROUP)
        assert first.engine.trading == "halted"
        (alert,) = [a for a in first.room.alerts.open() if a.kind == "dead_man"]
        name = f"safe-action:{alert.id}:{alert.since_ns}"
        again = await first.desk.submit(Halt(reason="again"), ACTOR, request_id=name)
        assert again.reason is Reason.REPEATED


async def test_a_critical_alert_is_muted_by_two_persons_through_the_cards(tmp_path):
    # when a mute is over, is told by the wall clock
    async with world(tmp_path, "telegram", start_ns=wall_ns()) as w:
        publish(w, "dead_man", Severity.CRITICAL, "the switch has fired", account="PAPER:main")
        await w.telegram.text("the switch has fired", chat=GROUP)
        reply = await run(w, "/alerts mute A1 2h the venue is known to do so", "tina")
        assert "R1" in str(reply)
        assert not w.room.alerts.book.mutes
        card = await w.telegram.text("Approve? alert_mute R1", chat=GROUP)
        assert "dead_man account=PAPER:main, critical ones too" in card.text
        w.telegram.press(TELEGRAM["rosa"], card, "Approve")
        await until(lambda: bool(w.room.alerts.book.mutes))
        assert [fact.status for fact in w.engine.facts if isinstance(fact, RequestChanged)][-1] == "approved"
        assert "by tina and rosa" in str(await run(w, "/alerts", "vera"))
        assert (await run(w, "/alerts unmute M1", "tina")).ok
        await until(lambda: not w.room.alerts.book.mutes)


async def test_what_is_typed_wrong_is_answered_with_what_would_be_right(tmp_path):
    async with world(tmp_path, "telegram") as w:
        for line, hint in (
            ("/ack A7", "no alert is called"),
            ("/alerts mute feed_stale", "/alerts mute WHAT TIME"),
            ("/alerts mute venue=V 25h", "within 24 hours"),
            ("/alerts mute venue=V soon", "30m"),
            ("/alerts mute nonsense 2h", "no alert of the kind"),
            ("/alerts quiet all night", "22:00-07:00"),
            ("/alerts route oncall nobody", "nobody is called nobody"),
            ("/alerts list A99", "no alert is called"),
        ):
            reply = await run(w, line, "rosa")
            assert not reply.ok, line
            assert hint in str(reply), (line, str(reply))
        assert not (await run(w, "/alerts route oncall tina", "tina")).ok
