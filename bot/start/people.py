"""The persons: who there is, what they may do, how many voices a vote needs, and who has an authenticator."""

from __future__ import annotations

import getpass
import re
from typing import Any

from bot.start.save import Path, person_change, save, short
from bot.start.screen import Screen
from bot.start.tools import Stopped, Tools
from domain.settings import RoleName

ID = re.compile(r"[a-z0-9][a-z0-9_.-]{0,39}")
ROLES = tuple(role.name.lower() for role in RoleName)
ROLE_WORDS = "viewer reads, trader also trades and halts, risk also votes, admin also changes settings"
DEMO = "(demo)"
PARTNER = {"id": "rosa", "name": f"Rosa {DEMO}", "role": "risk"}
"""Stands in on paper where a person is alone: votes can be tried from the terminal, and no chat account is hers."""
WHY = "Roles belong to persons, not to chat accounts. The first one is admin; giving risk back takes two persons."


def people(
    screen: Screen,
    tools: Tools,
    *,
    person: str = "",
    name: str = "",
    role: str = "",
    requester_counts: bool | None = None,
    code: bool | None = None,
) -> None:
    """Add persons or change one; the first becomes admin. Raises `Stopped` and `ConfigError`."""
    screen.step("People", WHY)
    known = real_persons(tools)
    for one in known:
        screen.say(f"  {one['id']}: {one['name'] or one['id']}, {one['role']}")
    wanted: list[dict[str, Any]] = []
    if person or not known or screen.confirm("Add a person, or change one?", default=False):
        wanted.append(_asked(screen, known, person, name, role))
        while screen.asks and not person and screen.confirm("And another person?", default=len(known + wanted) < 2):
            wanted.append(_asked(screen, [*known, *wanted], "", "", ""))
    everybody = {one["id"]: one for one in [*known, *wanted]}
    save(screen, tools, _changes(screen, tools, everybody, wanted, requester_counts))
    say_what_is_in_force(screen, tools)
    for one in wanted or known:
        enrol(screen, tools, one["id"], wanted=code)


def own_persons(tools: Tools) -> list[dict[str, Any]]:
    """The persons that the file names; those of the built-in set-up are nobody's."""
    return tools.file.sections()["persons"] if "persons" in tools.file.own() else []


def real_persons(tools: Tools) -> list[dict[str, Any]]:
    """The human beings among them."""
    return [one for one in own_persons(tools) if not one["name"].endswith(DEMO)]


def _asked(screen: Screen, known: list[dict[str, Any]], person: str, name: str, role: str) -> dict[str, Any]:
    first = not known
    suggested = person or (_login_name() if first else "")
    who = person or screen.ask("Short id, for chat and records", option="--person", default=suggested, check=id_problem)
    if problem := id_problem(who):
        raise Stopped(f"{problem}; say it with --person")
    old = next((one for one in known if one["id"] == who), {})
    shown = name or screen.ask("Name", option="--name", default=old.get("name") or who.capitalize(), check=name_problem)
    usual = old.get("role") or ("admin" if first else "risk")
    if role and (problem := role_problem(role)):
        raise Stopped(f"{problem}; say it with --role")
    if not role and not first:
        screen.say(f"  {ROLE_WORDS}.")
    given = role or ("admin" if first else screen.ask("Role", option="--role", default=usual, check=role_problem))
    return {"id": who, "name": shown, "role": given.lower()}


def _changes(
    screen: Screen,
    tools: Tools,
    everybody: dict[str, dict[str, Any]],
    wanted: list[dict[str, Any]],
    requester_counts: bool | None,
) -> dict[Path, Any]:
    """Persons and how votes count, together: one without the other may be a quorum that nobody can reach."""
    own = own_persons(tools)
    is_paper = tools.file.sections()["environment"] == "paper"
    voters = [one for one in everybody.values() if RoleName[one["role"].upper()] >= RoleName.RISK]
    alone = len(voters) < 2
    if alone and not is_paper:
        raise Stopped("outside paper at least two persons of role risk or higher are needed: name both in one go")
    changes: dict[Path, Any] = {}
    if own:
        for one in wanted:
            if any(one["id"] == other["id"] for other in own):
                changes |= person_change(tools, one["id"], name=one["name"], role=one["role"])
            else:
                changes[("persons", one["id"])] = short(one)
        demo = [one["id"] for one in own if one["name"].endswith(DEMO)]
        changes |= {("persons", who): None for who in demo if not alone}
        if alone and not demo:
            changes[("persons", PARTNER["id"])] = dict(PARTNER)
    else:
        changes[("persons",)] = [*map(short, everybody.values()), *([dict(PARTNER)] if alone else [])]
    if alone:
        screen.say(
            "  You are alone, so the demo person rosa stays for the second voice: ./moondev console --as rosa.\n"
            "  Trading with money takes a second human being."
        )
    changes["approvals", "requester_counts"] = _requester_counts(screen, tools, len(voters), requester_counts)
    return changes


def _requester_counts(screen: Screen, tools: Tools, voters: int, given: bool | None) -> bool:
    if given is not None:
        return given
    if voters <= 2:
        screen.say("  Two persons: who asks for something is one of the two who agree to it.")
        return True
    approvals = tools.file.own().get("approvals")
    now = bool(approvals.get("requester_counts", False)) if isinstance(approvals, dict) else False
    return screen.confirm("May the person who asks for something be one of the two who agree to it?", default=now)


def enrol(screen: Screen, tools: Tools, person: str, *, wanted: bool | None = None) -> None:
    """Give a person an authenticator, confirmed by its first code; `wanted` None asks."""
    secret_name = tools.codes.name(person)
    if tools.secrets.has(secret_name):
        screen.done(f"{person} has an authenticator (a new one: ./moondev totp enrol {person} --again)")
        return
    sections = tools.file.sections()
    needed = sections["approvals"]["codes"] or sections["environment"] == "live"
    question = f"Give {person} an authenticator now? A stolen chat account can then not vote"
    if wanted is False or not (wanted or screen.confirm(question, default=bool(needed))):
        if needed:
            screen.problem(f"votes need codes here: later with ./moondev totp enrol {person}")
        return
    secret, address = tools.codes.new(person)
    screen.say("Scan it with an authenticator app, or type the address. It is shown this once.")
    screen.qr(address)

    def wrong(code: str) -> str:
        if tools.codes.is_right(secret, code):
            return ""
        return "that code does not fit; are the clocks of phone and machine right? The next code, please"

    screen.ask("The six digits that the app shows now", option="./moondev totp enrol", check=wrong)
    tools.secrets.keep(secret_name, secret)
    screen.done(f"{person} can vote with codes: /approve ID CODE")


def say_what_is_in_force(screen: Screen, tools: Tools) -> None:
    """Where a journal has persons already, what is written here waits for them."""
    if tools.has_run:
        screen.say(
            f"  {tools.data} has a journal: the persons in it stay in force until they agree to these. When the\n"
            f"  service runs: ./moondev apply-settings {tools.file.path} --data {tools.data}, then another of them\n"
            "  approves: ./moondev console --as PERSON, /approve R1."
        )


def id_problem(text: str) -> str:
    """What is wrong with a person's id."""
    return "" if ID.fullmatch(text) else "an id has small letters, digits and . _ -, such as anna; at most 40 of them"


def name_problem(text: str) -> str:
    """What is wrong with a person's name."""
    return "" if text.isprintable() and len(text) <= 80 else "a name is one line of at most 80 characters"


def role_problem(text: str) -> str:
    """What is wrong with a role."""
    return "" if text.lower() in ROLES else f"there is no role {text!r}: {ROLE_WORDS}"


def _login_name() -> str:
    try:
        name = getpass.getuser().lower()
    except (OSError, KeyError):
        return ""
    return name if ID.fullmatch(name) and name != "root" else ""
