"""The settings as the desk shows them: values, what a change would come to, and every version that is remembered."""

from __future__ import annotations

from msgspec.structs import replace

from domain import views as v
from domain.commands import ChangeSettings
from domain.diff import diff
from domain.verdict import Veto
from engine.config.running import RunningSettings
from engine.core import config, limits
from engine.core.core import Core
from engine.desk_views import find_instrument
from risk.rules import RULES


class DeskSettings:
    """Reads the settings of one running core. `file` is what was read of the settings file."""

    def __init__(self, core: Core) -> None:
        """Without a file, until whoever has read one says it in `file`."""
        self._core = core
        self.file = RunningSettings()

    def _name_of(self, text: str) -> str | None:
        return find_instrument(self._core, text)

    def filled(self, command: ChangeSettings) -> ChangeSettings:
        """The command with its edits, or every mistake in it."""
        if command.rollback >= 0:
            return replace(command, edits=(), problems=())
        found = self.file.resolve(self._core.state.settings, command.path, command.value, self._name_of)
        return replace(command, edits=found.edits, problems=found.problems)

    def values(self, path: str) -> list[tuple[str, str]]:
        """Every setting below a path, with its value. Raises `ConfigError` where there is none."""
        return self.file.values(self._core.state.settings, path, self._name_of)

    def proposed(self, path: str, value: str) -> v.ProposalView:
        """What a change would come to, without doing it."""
        found = self.file.resolve(self._core.state.settings, path, value, self._name_of)
        is_lower = config.is_lower(self._core, ChangeSettings(edits=found.edits))
        return v.ProposalView(changes=found.changes, problems=found.problems, adds_risk=not is_lower)

    def back_to(self, number: int) -> v.ProposalView:
        """What going back to a version would come to, without doing it."""
        found = config.resolved(self._core, ChangeSettings(rollback=number))
        if isinstance(found, Veto):
            return v.ProposalView(changes=(), problems=(found.detail,), adds_risk=False)
        after = config.settings_after(self._core, found)
        if isinstance(after, Veto):
            return v.ProposalView(changes=(), problems=(after.detail,), adds_risk=False)
        changes = tuple(diff(self._core.state.settings, after))
        return v.ProposalView(changes=changes, problems=(), adds_risk=not config.is_lower(self._core, found))

    @property
    def votes(self) -> int:
        """Votes that a change takes which adds risk."""
        return self._core.state.settings.approvals.override_votes

    def limits(self, instrument: str = "") -> list[tuple[str, str]]:
        """Every rule with what holds for an instrument ("" = the portfolio), overrides and defaults included."""
        venue = instrument.partition(".")[2]
        rows = []
        for name, rule in RULES.items():
            value = limits.effective(self._core, name, instrument=instrument, venue=venue)
            missing = "not set" if rule.optional else "not set: refused"
            rows.append((name, f"{value:f} {rule.unit}" if value is not None else missing))
        return rows

    def version(self) -> v.SettingsView:
        """Which settings are in force, and every change of them that is remembered, newest first."""
        state = self._core.state
        rows = tuple(
            v.SettingsChangeView(
                number=row.number, ts_ns=row.ts_ns, by=row.by, why=row.why, changes=row.changes, hash=row.content_hash
            )
            for row in reversed(state.config_versions)
        )
        return v.SettingsView(
            version=state.config_version,
            hash=state.settings_hash,
            environment=state.settings.environment.value,
            changes=rows,
            file=state.file_differs,
        )
