"""Keys, the vault they are in and the signer that has them: what is on record, and what people are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domain.account import venue_of
from domain.commands import RotateKey
from domain.facts import Severity
from domain.keys import KeyExpires, KeyOld, KeyStage, KeyStep, SignerNews, Turn, VaultAccessed, VaultTrouble
from domain.settings import DAY_NS
from domain.text import plain
from domain.verdict import Reason, Veto
from engine.core.alerting import utc_text

if TYPE_CHECKING:
    from engine.core.core import Core

LOUD = frozenset({"create", "passwd", "rotate", "export", "restore"})
"""What is done to a whole vault, and seldom: people hear of it at once."""
UNDER_WAY = frozenset({KeyStage.STAGED, KeyStage.VERIFIED, KeyStage.SWITCHED})
REMIND_AT_DAYS = (14, 3, 1)
"""Before a key ends."""
LONGEST = 200


def on_signer_news(core: Core, event: SignerNews) -> None:
    """Without its signer the engine can neither place nor cancel: that is everybody's business at once."""
    if event.what == "lost":
        core.alert(Severity.CRITICAL, "signer_lost", event.text)
    elif event.what == "back":
        core.alert(Severity.INFO, "signer_back", event.text)
    else:
        core.alert(Severity.CRITICAL, "signer_refused", event.text)


def on_key_expires(core: Core, event: KeyExpires) -> None:
    """A key that is over signs nothing any more, so it is spoken of before: once for each of `REMIND_AT_DAYS`."""
    ends = core.state.keys.ends
    due = [days for days in REMIND_AT_DAYS if event.until_ns - core.state.ts_ns <= days * DAY_NS]
    until_ns, told_at = ends.get(event.account, (0, 0))
    if due and (until_ns != event.until_ns or due[-1] < told_at):
        ends[event.account] = event.until_ns, due[-1]
        loud = Severity.CRITICAL if due[-1] == REMIND_AT_DAYS[-1] else Severity.WARNING
        core.alert(loud, "key_expires", event.text, account=event.account)


def on_old(core: Core, event: KeyOld) -> None:
    """People are reminded once of each value of a key."""
    if core.state.keys.old.get(event.key) != event.since_ns:
        core.state.keys.old[event.key] = event.since_ns
        core.alert(Severity.WARNING, "key_old", event.text, key=event.key)


def on_vault_accessed(core: Core, event: VaultAccessed) -> None:
    """Each access is on record; people are told of what concerns the whole vault, and of what was not written down."""
    note_access(core, event)
    what = f"{event.record} ({event.kind})" if event.record else "the vault"
    who = f"user {event.user}, {event.process} (process {event.pid})"
    text = f"{event.verb} {what}: {who}, {utc_text(event.noted_ns)}, write {event.sequence}."
    labels = {"verb": event.verb, "record": event.record, "kind_of": event.kind, "user": event.user}
    if event.verb in LOUD:
        core.alert(Severity.WARNING, "vault_changed", text, **labels, noted_ns=str(event.noted_ns))
    else:
        core.alert(Severity.INFO, "vault_access", text, **labels, noted_ns=str(event.noted_ns))
    if event.missed:
        missed = f"{event.missed} accesses before line {event.n} could not be written into the vault's access log."
        core.alert(Severity.CRITICAL, "vault_log", f"{missed} Look at the disk, and at who used the machine then.")


def note_access(core: Core, event: VaultAccessed) -> None:
    """How far the log was read, and the newest write that is known: an older vault is not opened."""
    book = core.state.keys
    book.sequence = max(event.sequence, book.sequence if book.vault == event.vault else 0)
    book.vault, book.n, book.mark, book.noted_ns = event.vault, event.n, event.mark, event.noted_ns


def note_trouble(core: Core, event: VaultTrouble) -> None:
    """Where reading of the log goes on."""
    core.state.keys.n, core.state.keys.mark = event.n, event.mark


def on_vault_trouble(core: Core, event: VaultTrouble) -> None:
    """Somebody may be hiding what they did."""
    note_trouble(core, event)
    core.alert(Severity.CRITICAL, "vault_log", event.text)


# the exchange of a key for another


def objection(core: Core, command: RotateKey) -> Veto | None:
    """Why a key cannot be exchanged now."""
    if command.account not in core.state.accounts:
        return Veto(Reason.NO_SUCH, f"account {plain(command.account, 60)}; see /keys status")
    turn = core.state.keys.turns.get(command.key)
    if turn is not None and turn.stage in UNDER_WAY:
        return Veto(Reason.WRONG_STATE, f"{plain(command.key, 60)} is {turn.stage} already; see /keys status")
    return None


def describe(command: RotateKey) -> str:
    """What the quorum is asked to agree to."""
    venue = venue_of(command.account)
    how = f"at {venue} this service does it" if command.by_program else f"at {venue} people have to do it"
    why = f": {plain(command.reason, LONGEST)}" if command.reason else ""
    return f"exchange the key {plain(command.key, 60)} of {command.account} for a new one ({how}){why}"


def begin(core: Core, command: RotateKey, by: str) -> Veto | str:
    """People have agreed: whoever has the keys does the rest, or a person does."""
    refusal = objection(core, command)
    if refusal is not None:
        return refusal
    key, venue = command.key, venue_of(command.account)
    if command.by_program:
        text = f"The exchange of {key} begins: {venue} approves a new key, it is tried, it signs, the old one ends."
    else:
        text = (
            f"{venue} lets no program make keys. Now a person: 1. at {venue}'s page of API keys make a new key with "
            "the permissions of the old one, without withdrawals and transfers, bound to this machine's address. "
            f"2. At the terminal: ./moondev vault rotate-key {key} (it asks for the new key, tries it and switches). "
            f"3. At {venue}'s page delete the old key."
        )
    set_turn(core, key, KeyStage.ASKED, text, by)
    return f"{text} /keys status says how far it is."


def on_step(core: Core, event: KeyStep) -> None:
    """It has come further, or stands still."""
    turn = core.state.keys.turns.get(event.key)
    if turn is None or (turn.stage, turn.text) != (event.stage, event.text):
        set_turn(core, event.key, event.stage, event.text, turn.by if turn is not None else "")


def set_turn(core: Core, key: str, stage: KeyStage, text: str, by: str) -> None:
    """Remember how far it is, and tell. Once it is over, the next one begins without anybody's agreement."""
    is_over = stage in {KeyStage.REVOKED, KeyStage.TAKEN_BACK, KeyStage.FAILED}
    core.state.keys.turns[key] = Turn(stage=stage, since_ns=core.state.ts_ns, text=text, by="" if is_over else by)
    loud = Severity.WARNING if stage is KeyStage.FAILED else Severity.INFO
    core.alert(loud, "key_turn", f"{key}: {stage.replace('_', ' ')}. {text}", key=key, stage=stage.value)
