"""The documents tell the truth where a machine can check it: links, verbs, options, paths, alerts, exit codes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import main
from bot.verbs import VERBS
from domain.market import FeedState
from engine import terminal

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
RUNBOOK = ROOT / "docs" / "runbook.md"
BOOTSTRAP_VERBS = {"test", "check"}
"""The front door's own verbs; the others belong to `main.py`."""
FOREIGN_VERBS = {"newbot"}
"""What is said to other bots than ours."""
CODE_ROOMS = ("bot", "domain", "engine", "exchanges", "gateway", "research", "risk", "vault")

named = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)


def fenced(text: str) -> str:
    """What stands in code blocks."""
    return "\n".join(re.findall(r"^ *```\w*\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL))


def inline(text: str) -> list[str]:
    """What stands between single backticks outside of code blocks."""
    outside = re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"`([^`\n]+)`", outside)


def anchor(heading: str) -> str:
    """The anchor of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@named
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        path, _, section = target.partition("#")
        file = document.parent / path if path else document
        assert file.exists(), target
        if section:
            headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert section in {anchor(heading) for heading in headings}, target


def command_lines(text: str) -> Iterator[list[str]]:
    """The words behind every `./moondev`, up to a comment or the end of the code."""
    for code in [*inline(text), *fenced(text).splitlines()]:
        for line in re.findall(r"\./moondev (.*)", code):
            yield re.split(r"\s#|\s{2,}|\s\|| && ", line)[0].split()


@named
def test_every_command_line_verb_and_option_exists(document: Path) -> None:
    root = typer.main.get_command(main.app)
    for words in command_lines(document.read_text(encoding="utf-8")):
        if not words or words[0] in BOOTSTRAP_VERBS or not words[0].islower():
            continue
        command: Any = root
        rest = list(words)
        while rest and hasattr(command, "commands") and not rest[0].startswith("-"):
            name = rest.pop(0).rstrip(".,;:)")
            assert name in command.commands, f"./moondev {' '.join(words)}"
            command = command.commands[name]
        options = {option for each in command.params for option in (*each.opts, *each.secondary_opts)} | {"--help"}
        for word in rest:
            assert not word.startswith("--") or word.rstrip(".,;:)") in options, f"./moondev {' '.join(words)}"


def chat_lines(text: str) -> Iterator[str]:
    """What is typed to the service: after a prompt, or as inline code that begins with a slash and a word."""
    yield from re.findall(r"^ *PAPER \w+> /(.+)$", fenced(text), re.MULTILINE)
    for code in inline(text):
        match = re.fullmatch(r"/([a-z_]+(?: .*)?)", code)
        if match is not None:
            yield match[1]


@named
def test_every_chat_verb_exists(document: Path) -> None:
    known = {name for verb in VERBS for name in (verb.name, *verb.aliases)}
    groups = {name.partition(" ")[0] for name in known if " " in name}
    for line in chat_lines(document.read_text(encoding="utf-8")):
        words = line.split()
        if words[0] in FOREIGN_VERBS or (words[0] in groups and len(words) == 1):
            continue
        verb = " ".join(words[:2]) if words[0] in groups else words[0]
        assert verb in known, f"/{line}"


@named
def test_every_path_of_the_project_that_is_named_exists(document: Path) -> None:
    for code in inline(document.read_text(encoding="utf-8")):
        if not re.fullmatch(r"[\w./-]+(\.py|\.yaml|\.toml|\.lock|\.json|/)", code) or "moondev/" in code:
            continue
        bases = (ROOT, ROOT / "tests", ROOT / "engine")
        room = code.partition("/")[0]
        if "/" in code.rstrip("/") and (room in {"tests", "tools", "docs", "process"} or room in CODE_ROOMS):
            assert any((base / code).exists() for base in bases), code


@named
def test_no_path_of_a_machine_stands_in_it(document: Path) -> None:
    assert not re.search(r"(?<![\w.])/(work|root|home|tmp|Users)\b", document.read_text(encoding="utf-8"))


def emitted_kinds() -> set[str]:
    """The kinds of every `core.alert(severity, kind, text)`; one made from a feed's state is each of them."""
    kinds: set[str] = set()
    for room in CODE_ROOMS:
        for file in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "alert":
                    kinds |= kinds_of(node.args[1], f"{file.name}:{node.lineno}")
    return kinds | raised_in_chat()


def raised_in_chat() -> set[str]:
    """The kinds of every `raise_alert(kind, ...)` of the bots' own trouble."""
    calls = [
        node
        for file in (ROOT / "bot").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args
    ]
    first = [node.args[0] for node in calls if node.func.attr in {"raise_alert", "_raise"}]  # type: ignore[attr-defined]
    return {str(one.value) for one in first if isinstance(one, ast.Constant)}


def kinds_of(node: ast.expr, where: str) -> set[str]:
    """The kinds that an expression can be."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return {node.value}
    assert ast.unparse(node) == "f'feed_{event.state}'", f"{where}: a kind that the runbook's test cannot read"
    return {f"feed_{state.value}" for state in FeedState if state is not FeedState.LIVE}


def test_the_runbook_has_every_alert_that_the_code_can_emit_and_no_other() -> None:
    alerts = RUNBOOK.read_text(encoding="utf-8").partition("\n## Alerts")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| \*\*(\w+)\*\* \|", alerts, re.MULTILINE)) == emitted_kinds()


def test_the_runbook_has_every_exit_code_of_run() -> None:
    table = RUNBOOK.read_text(encoding="utf-8").partition("\n## Exit codes")[2].partition("\n## ")[0]
    written = set(re.findall(r"^\| (\d+) \|", table, re.MULTILINE))
    codes = {str(value) for name, value in vars(terminal).items() if name.startswith("EXIT_")}
    assert codes
    assert codes | {"0", "1", "2"} == written
