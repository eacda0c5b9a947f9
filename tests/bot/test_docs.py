"""The page about chat has the verb table as it is."""

from pathlib import Path

from bot.verbs import VERBS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "chat.md"


def rows():
    yield "| verb | least role | what it does | also |"
    yield "|---|---|---|---|"
    for verb in VERBS:
        if not verb.hidden:
            usage = verb.usage.replace("|", "\\|")
            also = " ".join(f"`/{alias}`" for alias in verb.aliases)
            yield f"| `{usage}` | {verb.role.name.lower()} | {verb.help} | {also} |".replace("|  |", "| |")


def test_the_page_lists_every_verb():
    wanted = "\n".join(rows())
    assert wanted in PAGE.read_text(), f"put this table into docs/chat.md:\n{wanted}"
