"""Pictures reach people on every channel, with the words that belong to them."""

from base64 import b64decode

from bot.message import Message, Picture, Text
from bot.render import plain
from tests.bot.servers.discord_objects import CHANNEL
from tests.bot.world import GROUP, world

PIXEL = b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
EQUITY = Picture(name="equity.png", png=PIXEL, words="Equity since Monday: up 2 %")
RECIPIENTS = [f"telegram:{GROUP}", f"discord:{CHANNEL}"]


async def test_a_short_text_stands_below_its_picture_in_one_message(tmp_path) -> None:
    async with world(tmp_path) as w:
        await w.chat.outbox.post("chart", RECIPIENTS, Message(title="Equity", pictures=(EQUITY,)))
        await w.telegram.text("Equity")
        await w.discord.text("Equity")
        sent = w.telegram.sent[-1]
        assert (sent.method, sent.picture, sent.text.partition("\n")[0]) == ("sendPhoto", PIXEL, "Equity")
        shown = w.discord.sent[-1]
        assert shown["embeds"][0]["image"]["url"] == "attachment://equity.png"
        assert shown["_raw"]["_files"] == {"equity.png": PIXEL}


async def test_a_text_too_long_for_a_caption_goes_before_the_picture(tmp_path) -> None:
    async with world(tmp_path, "telegram") as w:
        long = Message(title="Report", blocks=(Text("word " * 400),), pictures=(EQUITY,))
        await w.chat.outbox.post("report", RECIPIENTS[:1], long)
        await w.telegram.text("up 2 %")
        text, photo = w.telegram.sent[-2:]
        assert (text.method, photo.method) == ("sendMessage", "sendPhoto")
        assert photo.text == EQUITY.words


def test_where_no_picture_can_be_shown_its_words_are() -> None:
    assert EQUITY.words in plain(Message(title="Equity", pictures=(EQUITY,)))


async def edited(w, message: Message, number: int):
    """The message as people see it after `chart` has been changed into this one."""
    seen = len(w.telegram.sent)
    await w.chat.outbox.post(f"chart:{number}", RECIPIENTS[:1], message, replaces="chart")
    return await w.telegram.wait(lambda one: w.telegram.sent.index(one) >= seen and message.title in one.text)


async def test_a_picture_and_a_file_are_changed_where_they_stand_and_so_is_the_text_below_them(tmp_path) -> None:
    async with world(tmp_path, "telegram") as w:
        await w.chat.outbox.post("chart", RECIPIENTS[:1], Message(title="Equity", pictures=(EQUITY,)))
        first = await w.telegram.text("Equity")
        other = Picture(name="drawdown.png", png=PIXEL + b"x", words="down")
        changed = await edited(w, Message(title="Drawdown", pictures=(other,)), 1)
        assert (changed.method, changed.message_id) == ("editMessageMedia", first.message_id)
        assert changed.picture == PIXEL + b"x"
        below = await edited(w, Message(title="Closed"), 2)
        assert (below.method, below.message_id) == ("editMessageCaption", first.message_id)
        long = await edited(w, Message(title="Long", blocks=(Text("word " * 400),)), 3)
        assert long.method == "sendMessage", "a text that fits under no picture is a message of its own"
