"""Single settings are changed in a file that people wrote, and everything else in it stays as it was."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from domain.errors import ConfigError
from engine.config.source import parse_tree, plain
from engine.config.yaml_edit import edited, shown

FILE = """\
# head
environment: paper   # yes
risk: {max_exposure: 50000}  # flow
telegram:
  enabled: false             # true: put
  alert_chats: []            # numeric
  # behind the section

persons:  # people
  - {id: tina, name: Tina, role: trader}   # t
  - id: rosa
    role: risk       # why
  # behind the people
contacts:
- person: tina
  email: t@example.com
approvals:
gateway:
  host: 127.0.0.1
"""


def lines_of(text: str) -> set[str]:
    return set(text.splitlines())


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        (("telegram", "enabled"), True, "  enabled: true             # true: put"),
        (("telegram", "alert_chats"), [-5, "-7:3"], '  alert_chats: [-5, "-7:3"]            # numeric'),
        (("telegram", "poll"), 3, "  poll: 3"),
        (("risk", "max_exposure"), 7, "risk: {max_exposure: 7}  # flow"),
        (("risk", "other"), "a b", 'risk: {max_exposure: 50000, other: "a b"}  # flow'),
        (("persons", "rosa", "role"), "admin", "    role: admin       # why"),
        (
            ("persons", "tina", "discord_user_id"),
            4,
            "  - {id: tina, name: Tina, role: trader, discord_user_id: 4}   # t",
        ),
        (("persons", "eve"), {"id": "eve", "role": "risk"}, "  - {id: eve, role: risk}"),
        (("contacts", "tina", "sms"), "+491", '  sms: "+491"'),
        (("approvals", "codes"), False, "approvals: {codes: false}"),
        (("discord", "guild_id"), 4, "  guild_id: 4"),
        (("logging",), {"level": "info"}, "logging: {level: info}"),
    ],
)
def test_one_setting_changes_one_line(path: tuple[str, ...], value: Any, line: str) -> None:
    text = edited(FILE, {path: value})
    assert line in lines_of(text)
    assert len(lines_of(FILE) - lines_of(text)) <= 1


@pytest.mark.parametrize(
    ("path", "gone"),
    [
        (("persons", "tina"), "  - {id: tina, name: Tina, role: trader}   # t"),
        (("telegram", "enabled"), "  enabled: false             # true: put"),
        (("environment",), "environment: paper   # yes"),
        (("persons", "nobody"), None),
        (("nothing", "here"), None),
    ],
)
def test_what_is_taken_out_takes_its_line_along_and_nothing_else(path: tuple[str, ...], gone: str | None) -> None:
    text = edited(FILE, {path: None})
    assert lines_of(FILE) - lines_of(text) == ({gone} if gone else set())


def test_an_empty_file_gets_its_sections() -> None:
    people = [{"id": "anna", "role": "admin"}, {"id": "bob", "role": "risk"}]
    text = edited("# only a comment\n", {("persons",): people, ("telegram", "enabled"): True})
    assert text.startswith("# only a comment\n")
    assert yaml.safe_load(text) == {"persons": people, "telegram": {"enabled": True}}


def test_a_list_of_everything_that_goes_becomes_an_empty_list() -> None:
    assert yaml.safe_load(edited("persons:\n  - id: a\n    role: risk\nx: 1\n", {("persons", "a"): None})) == {
        "persons": [],
        "x": 1,
    }


def test_a_text_that_is_no_settings_file_is_refused() -> None:
    for text in ("a: [1", "a: &x 1\nb: *x\n"):
        with pytest.raises(ConfigError):
            edited(text, {("c",): 1})


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=20)


@given(TEXTS)
@example("yes")
@example("1")
@example("1.5")
@example("null")
@example("a: b # c")
@example("2026-01-01")
@example("~")
def test_any_text_is_read_back_as_it_was(text: str) -> None:
    assert plain(parse_tree(edited(FILE, {("persons", "rosa", "name"): text}), "x"))["persons"][1]["name"] == text
    assert plain(parse_tree(f"a: {shown([text])}", "x")) == {"a": [text]}
