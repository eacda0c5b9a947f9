"""The one table of routes: who may use each, what a token needs for it, and how it is protected.

A route that is not in it is refused, whoever asks. Roles of views follow the verbs of the chat that show the same;
roles and scopes of `verbs/{verb}` are the verb's own. A test walks every route of the app through it.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from msgspec import Struct, structs

from domain.access import Scope, VerbRule, scope_of
from domain.settings import RoleName
from gateway.limits import Rate

API: Final = "/api/v1"
VERB_ROUTE: Final = f"{API}/verbs/{{verb}}"
KIB: Final = 1024
METHODS: Final = ("GET", "POST")


class Csrf(enum.Enum):
    """What has to come with a request that a browser's cookie vouches for."""

    NONE = "none"
    """Nothing: it changes nothing."""
    HEADER = "header"
    """Origin, and our own header, which no form and no page elsewhere can send."""
    FORM = "form"
    """Origin: a plain form of our own pages, which need no scripts."""


class Rule(Struct, frozen=True, kw_only=True):
    """One row. `role` None: open to everybody, `scope` None: not for tokens."""

    role: RoleName | None = RoleName.VIEWER
    scope: Scope | None = Scope.READ
    csrf: Csrf = Csrf.NONE
    rate: Rate = Rate.READ
    body_bytes: int = 0
    is_page: bool = False
    """Without a session it leads to the login page instead of refusing."""
    is_verb: bool = False
    """The control room judges it again, by the role of whoever it is done for."""
    is_line: bool = False
    """It takes a typed line, which may be one that stops trading."""
    needs_code: bool = False
    """An admin's affair: where votes need codes, its session has given one lately."""


OPEN: Final = Rule(role=None, scope=None, rate=Rate.OPEN)
PAGE: Final = Rule(scope=None, rate=Rate.OPEN, is_page=True)
LOOK: Final = Rule()
HEAVY: Final = Rule(rate=Rate.HEAVY)
RISK_LOOK: Final = Rule(role=RoleName.RISK, scope=Scope.RISK)
ADMIN_LOOK: Final = Rule(role=RoleName.ADMIN, scope=Scope.ADMIN)
BY_PERSON: Final = Rule(scope=None, csrf=Csrf.HEADER, rate=Rate.WRITE, body_bytes=64 * KIB)
SOCKET: Final = Rule(csrf=Csrf.FORM, rate=Rate.SOCKET)

ROUTES: Final[Mapping[tuple[str, str], Rule]] = MappingProxyType(
    {
        ("GET", "/health/live"): OPEN,
        ("GET", "/health/ready"): OPEN,
        ("GET", "/metrics"): LOOK,
        ("GET", "/login"): OPEN,
        ("GET", "/login/{token}"): OPEN,
        ("POST", "/login"): Rule(role=None, scope=None, csrf=Csrf.FORM, rate=Rate.LOGIN, body_bytes=4 * KIB),
        ("POST", "/login/{token:path}"): Rule(
            role=None, scope=None, csrf=Csrf.FORM, rate=Rate.LOGIN, body_bytes=4 * KIB
        ),
        ("POST", "/logout"): Rule(scope=None, csrf=Csrf.FORM, rate=Rate.WRITE, body_bytes=KIB),
        ("GET", "/"): PAGE,
        ("POST", f"{API}/step-up"): Rule(scope=None, csrf=Csrf.HEADER, rate=Rate.LOGIN, body_bytes=KIB),
        ("POST", f"{API}/ticket"): Rule(csrf=Csrf.HEADER, rate=Rate.SOCKET, body_bytes=KIB),
        ("GET", f"{API}/me"): LOOK,
        ("POST", f"{API}/line"): structs.replace(BY_PERSON, is_line=True),
        ("POST", VERB_ROUTE): Rule(scope=Scope.TRADE, csrf=Csrf.HEADER, rate=Rate.WRITE, body_bytes=64 * KIB),
        ("WS", "/ws/feed"): SOCKET,
        ("GET", "/static/style/{path:path}"): OPEN,
        ("GET", "/static/{path:path}"): Rule(scope=None, rate=Rate.OPEN),
        ("GET", f"{API}/openapi.json"): LOOK,
        ("GET", f"{API}/audit.jsonl"): Rule(role=RoleName.RISK, scope=Scope.RISK, rate=Rate.HEAVY),
        **{
            ("GET", f"{API}/{name}"): LOOK
            for name in (
                "status", "positions", "orders", "strategies", "pnl", "balances", "pending", "venues", "breakers",
                "incidents", "trades", "equity", "risk", "alerts", "mutes", "jobs", "job", "instruments", "book",
                "fills", "prices", "limits", "requests", "strategy", "strategy-history", "strategy-kinds", "persons",
                "health", "machine", "deliveries", "verbs", "offers",
            )
        },
        **{("GET", f"{API}/{name}"): HEAVY for name in ("stress", "performance", "candles")},
        **{("GET", f"{API}/{name}"): RISK_LOOK for name in ("audit", "audit-entry", "audit-head", "chain")},
        **{("GET", f"{API}/{name}"): ADMIN_LOOK for name in ("settings", "settings-history")},
    }
)  # fmt: skip
"""By method and template. `{name}` stands for one part of a path, `{name:path}` for the rest of it."""


class Table:
    """Finds the rule of a request. `verbs` are the rules of verbs by their name in the address."""

    def __init__(
        self, verbs: Mapping[str, VerbRule] = MappingProxyType({}), routes: Mapping[tuple[str, str], Rule] = ROUTES
    ) -> None:
        self._verbs = verbs
        self.stops = frozenset(name for verb, rule in verbs.items() if rule.stops for name in (verb, *rule.aliases))
        """Verbs that stop trading."""
        self._exact = {key: rule for key, rule in routes.items() if "{" not in key[1]}
        self._patterns = [(method, pattern_of(path), rule) for (method, path), rule in routes.items() if "{" in path]

    def find(self, method: str, path: str) -> Rule | None:
        """The rule of a request, None when it is refused. HEAD is GET without the answer's body; a WebSocket is WS."""
        method = "GET" if method == "HEAD" else method
        if not {".", ".."}.isdisjoint(path.split("/")):  # what serves files would look elsewhere than was judged
            return None
        if (exact := self._exact.get((method, path))) is not None:
            return exact
        for of, pattern, rule in self._patterns:
            if of == method and (match := pattern.fullmatch(path)) is not None:
                return self._of_verb(match["verb"], rule) if "verb" in pattern.groupindex else rule
        return None

    def methods(self, path: str) -> list[str]:
        """With which methods an address can be asked; none: there is no such address."""
        found = [method for method in METHODS if self.find(method, path) is not None]
        return [*found, "HEAD"] if "GET" in found else found

    def _of_verb(self, name: str, rule: Rule) -> Rule | None:
        verb = self._verbs.get(name)
        if verb is None:
            return None
        return Rule(
            role=verb.role,
            scope=None if verb.by_person else scope_of(verb.role, changes=verb.changes),
            csrf=rule.csrf,
            rate=Rate.HALT if verb.stops else rule.rate if verb.changes else Rate.READ,
            body_bytes=rule.body_bytes,
            is_verb=True,
            needs_code=verb.role is RoleName.ADMIN and verb.changes,
        )


def pattern_of(path: str) -> re.Pattern[str]:
    """A template as a regular expression."""
    parts = re.split(r"(\{\w+(?::path)?\})", path)
    made = "".join(_part(part) if part.startswith("{") else re.escape(part) for part in parts)
    return re.compile(made, re.DOTALL)


def _part(part: str) -> str:
    name, _, kind = part.strip("{}").partition(":")
    return f"(?P<{name}>.*)" if kind else f"(?P<{name}>[^/]+)"
