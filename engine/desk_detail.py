"""What screens show of one thing in full, read from the core between steps. A part of the desk.

limits      every limit: what holds, what it is from, how much is used
requests    what waits for votes and what was decided, with who may vote
settings    every setting with its default, and who set it when
strategy    parameters with what the code says of them, and their history
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from annotated_types import Ge, Gt, Le, Lt

from domain.detail_views import LimitView, ParamView, RequestDetail, SettingView, StrategyDetail
from domain.edits import ConfigVersion
from domain.settings import StrategySpec
from domain.strategy import Params, rules_of
from domain.text import plain
from engine.config.models import Config
from engine.config.settings import without_listed
from engine.core.core import Core
from engine.desk_limits import limits
from engine.desk_records import DeskRecords
from engine.desk_requests import requests
from engine.desk_settings import DeskSettings

if TYPE_CHECKING:
    from engine.desk_strategies import StrategySource

SIGNS = ((Gt, "gt", ">"), (Ge, "ge", "≥"), (Lt, "lt", "<"), (Le, "le", "≤"))


class DeskDetail:
    """Reads one running core. `source_of` gives the code of a strategy, as for `Desk`."""

    def __init__(
        self,
        core: Core,
        settings: DeskSettings,
        records: DeskRecords,
        source_of: Callable[[StrategySpec], StrategySource] | None,
    ) -> None:
        self._core = core
        self._settings = settings
        self._records = records
        self._source_of = source_of

    def limits(self) -> tuple[LimitView, ...]:
        """Every limit, the fullest first."""
        return limits(self._core)

    def requests(self) -> list[RequestDetail]:
        """Requests in full: those that wait, then those that are decided and remembered."""
        return requests(self._core)

    def settings(self) -> tuple[SettingView, ...]:
        """Every setting that may change while running, in the order of the file."""
        plain_file = Config.model_validate({"environment": self._core.state.settings.environment.value})
        defaults = dict(self._settings.file.values(without_listed(plain_file), "", lambda _: None))
        changed = dict(_changes(self._core.state.config_versions))
        return tuple(_setting(path, value, defaults, changed) for path, value in self._settings.values(""))

    def strategy(self, strategy_id: str) -> StrategyDetail | None:
        """The parameters of a loaded strategy; None when there is none of that name."""
        strategy = self._core.state.strategies.get(strategy_id)
        if strategy is None:
            return None
        spec, history = strategy.spec, tuple(self._records.params(strategy_id))
        given = tuple(
            ParamView(name=name, value=value, default=None, is_given=True, adds_risk="always", text="", bounds="")
            for name, value in spec.params.items()
        )
        if self._source_of is None:
            return StrategyDetail(id=spec.id, params=given, history=history, problem="its code is not to be had here")
        try:
            model = self._source_of(spec).params_type
        except Exception as error:  # noqa: BLE001 - loading a stranger's file may raise anything
            return StrategyDetail(id=spec.id, params=given, history=history, problem=plain(error))
        params = tuple(_params(model, spec.params))
        return StrategyDetail(id=spec.id, params=params, history=history, text=(model.__doc__ or "").strip())


def _params(model: type[Params], given: dict[str, Any]) -> Iterator[ParamView]:
    """Every parameter that the code knows, as it declares them."""
    rules = rules_of(model, model.model_fields)
    for name, field in model.model_fields.items():
        rule = rules.get(name)
        default = rule.default if rule is not None else None
        yield ParamView(
            name=name,
            value=given.get(name, default),
            default=default,
            is_given=name in given,
            adds_risk=rule.adds.value if rule is not None else "always",
            text=field.description or "",
            bounds=" ".join(_bounds(field.metadata)),
        )


def _bounds(metadata: list[Any]) -> Iterator[str]:
    for kind, name, sign in SIGNS:
        for item in metadata:
            if isinstance(item, kind):
                yield f"{sign} {getattr(item, name)}"


def _changes(versions: list[ConfigVersion]) -> Iterator[tuple[str, ConfigVersion]]:
    """Paths as people write them, each with the version that changed it; the newest comes last."""
    for version in versions:
        for edit in version.edits:
            yield ".".join(part.strip("[]").removesuffix("_ns") for part in edit.path), version


def _setting(path: str, value: str, defaults: dict[str, str], changed: dict[str, ConfigVersion]) -> SettingView:
    version = max(
        (found for name, found in changed.items() if path == name or path.startswith(f"{name}.")),
        key=lambda found: found.number,
        default=None,
    )
    default = defaults.get(path, "")
    if version is not None:
        return SettingView(
            path=path,
            value=value,
            default=default,
            source=f"version {version.number}",
            by=version.by,
            ts_ns=version.ts_ns,
        )
    return SettingView(path=path, value=value, default=default, source="default" if value == default else "file")
