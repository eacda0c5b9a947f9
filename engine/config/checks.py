"""What one section cannot know alone: names that must exist elsewhere, owners, quorums, environments.

Each check names the sections it reads and is run only when those are right in themselves, so that one
mistake is not reported twice. A check yields (key path, sentence).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from pydantic import ValidationError

from domain.account import is_paper
from domain.errors import Unrepresentable
from domain.instrument import parse_instrument_id
from domain.loopback import NOT_LOOPBACK, is_loopback
from domain.settings import ApprovalSettings, Settings, strategy_id_problem
from domain.strategy import Params, range_of
from domain.text import error_text, plain
from engine.config.breakers import problems as breaker_problems
from engine.config.channel_checks import channels, contacts, on_call
from engine.config.models import Config, StrategySection
from engine.config.problem import KeyPath
from engine.config.rules import values_of
from engine.config.settings import natural, to_approvals, to_instrument, to_person, to_risk, to_strategy
from engine.config.venue_checks import venues
from engine.config.words import found, nearest, sentence
from risk.approvals import unreachable
from risk.contradictions import contradictions

Finding = tuple[KeyPath, str]
ParamTypes = Mapping[str, type[Params]]
"""Parameter model of every known strategy kind."""


def instruments(config: Config) -> Iterator[Finding]:
    """Every contract fits its own scale; ids and aliases name one contract each."""
    taken: dict[str, str] = {}
    for i, item in enumerate(config.instruments):
        path: KeyPath = ("instruments", i)
        try:
            to_instrument(item)
        except Unrepresentable as error:
            yield (*path, "id"), str(error)
        for name in (item.id, *item.aliases):
            if name.upper() in taken:
                yield path, f"the name {found(name)} is taken by {taken[name.upper()]}; names are unique in any case"
            taken[name.upper()] = item.id
        if item.maintenance_margin > item.initial_margin:
            yield (*path, "maintenance_margin"), "must not be more than initial_margin"


def accounts(config: Config) -> Iterator[Finding]:
    """Account ids are `VENUE:label`, each once; those of this section belong to the paper venue and have money."""
    yield from _twice("accounts", [item.id for item in config.accounts])
    for i, item in enumerate(config.accounts):
        venue, _, label = item.id.partition(":")
        if not (venue and label and venue.isupper()):
            yield ("accounts", i, "id"), f"expected VENUE:label such as PAPER:main, found {found(item.id)}"
        elif not is_paper(venue) and config.environment == "paper":
            text = "the paper environment trades on PAPER accounts only (or PAPER2 to PAPER9)"
            yield ("accounts", i, "id"), f"{text}, found {found(item.id)}"
        elif not is_paper(venue):
            yield ("accounts", i, "id"), f"{found(item.id)} is no paper account: name it in the section venues"
        elif item.deposit <= 0:
            yield ("accounts", i, "deposit"), "a paper account needs a deposit above 0"


def environment(config: Config) -> Iterator[Finding]:
    """Contracts whose numbers stand in the file are the paper venue's; real venues are compared all the time."""
    if config.environment != "paper" and config.execution.reconcile_every_ns == 0:
        yield ("execution", "reconcile_every"), "a real venue is compared all the time: give a span such as 30s"
    if config.environment != "paper" and config.own_strategies.reload == "auto":
        yield ("own_strategies", "reload"), "changed code is taken in without being asked on paper alone: ask"
    for i, item in enumerate(config.instruments):
        if is_paper(_venue(item.id)):
            continue
        name = item.id if _venue(item.id) else found(item.id)
        text = f"the paper environment trades .PAPER instruments, found {name}"
        if config.environment != "paper":
            text = f"{name} is no paper contract: name it in the section venues, its numbers are read there"
        yield ("instruments", i, "id"), text


def references(config: Config) -> Iterator[Finding]:
    """Limits and feed symbols name instruments, venues and strategies that exist."""
    known = config.instrument_ids
    venue_names = list(dict.fromkeys(_venue(name) for name in known))
    ids = [item.id for item in config.strategies]
    risk = config.risk
    for kind, given, names in (
        ("instrument", risk.instrument, known), ("venue", risk.venue, venue_names), ("strategy", risk.strategy, ids)
    ):  # fmt: skip
        for key in given:
            if key not in names:
                yield ("risk", kind, key), f"there is no {kind} {found(key)}{nearest(key, names)}"
    for section, keys in (("risk", config.risk.limits), ("data_feed", config.data_feed.symbols)):
        inner = "limits" if section == "risk" else "symbols"
        for key in keys:
            if key not in known:
                yield (section, inner, key), f"there is no instrument {found(key)}{nearest(key, known)}"


def strategies(config: Config) -> Iterator[Finding]:
    """Strategies name what exists, and each instrument of an account has one owner."""
    yield from _twice("strategies", [item.id for item in config.strategies])
    known_accounts, known = config.account_ids, config.instrument_ids
    owners: dict[tuple[str, str], str] = {}
    for i, item in enumerate(config.strategies):
        path: KeyPath = ("strategies", i)
        if problem := strategy_id_problem(item.id):
            yield (*path, "id"), problem
        yield from _strategy_accounts(item, path, known_accounts)
        spec = to_strategy(item)
        at = [_at(account) for account in spec.all_accounts]
        for j, instrument in enumerate(item.instruments):
            here = (*path, "instruments", j)
            if instrument not in known:
                yield here, f"there is no instrument {found(instrument)}{nearest(instrument, known)}"
                continue
            if _venue(instrument) not in at:
                on = " and ".join(spec.all_accounts)
                further = f"; accounts: [{_venue(instrument)}:label] names one there"
                yield here, f"{instrument} cannot be traded on account {on}: another venue{further}"
                continue
            account = spec.account_of(instrument)
            owner = owners.setdefault((account, instrument), item.id)
            if owner != item.id:
                text = f"{owner} already owns {instrument} on {account}; one owner each: use another account"
                yield here, text
            if item.instruments.index(instrument) != j:
                yield here, f"{instrument} is listed twice"


def _strategy_accounts(item: StrategySection, path: KeyPath, known: Sequence[str]) -> Iterator[Finding]:
    """A strategy's accounts exist, one at each venue, and each is needed."""
    venues = {_at(item.account): item.account}
    for where, account in (("account",), item.account), *((("accounts", j), a) for j, a in enumerate(item.accounts)):
        if account not in known:
            yield (*path, *where), f"there is no account {found(account)}{nearest(account, known)}"
        elif where != ("account",) and (other := venues.setdefault(_at(account), account)) != account:
            yield (*path, *where), f"{other} is at the same venue: a strategy has one account at each"
        elif item.accounts.count(account) > 1 or (account in item.accounts and where == ("account",)):
            yield (*path, *where), f"{account} is listed twice"
        elif where != ("account",) and not any(_venue(name) == _at(account) for name in item.instruments):
            yield (*path, *where), f"none of its instruments is at the venue of {account}"


def _at(account: str) -> str:
    return account.partition(":")[0]


def failover(config: Config) -> Iterator[Finding]:
    """A backup is the same asset at another venue, on an account there, and nobody else's."""
    known, at = config.instrument_ids, config.account_ids
    owners = {(to_strategy(s).account_of(name), name): s.id for s in config.strategies for name in s.instruments}
    seen: set[str] = set()
    for i, item in enumerate(config.failover):
        path: KeyPath = ("failover", i)
        for key, name in (("instrument", item.instrument), ("backup", item.backup)):
            if name not in known:
                yield (*path, key), f"there is no instrument {found(name)}{nearest(name, known)}"
            elif name in seen:
                yield (*path, key), f"{name} is in a fail-over already; each instrument is in one"
            seen.add(name)
        if item.account not in at:
            yield (*path, "account"), f"there is no account {found(item.account)}{nearest(item.account, at)}"
        if item.instrument not in known or item.backup not in known:
            continue
        if item.instrument.partition("-")[0] != item.backup.partition("-")[0]:
            yield (*path, "backup"), f"{item.backup} is not the same asset as {item.instrument}"
        if _venue(item.backup) == _venue(item.instrument):
            yield (*path, "backup"), f"{item.backup} is at the same venue as {item.instrument}: name one at another"
        if _venue(item.backup) != item.account.partition(":")[0]:
            yield (*path, "account"), f"{item.backup} cannot be traded on account {item.account}: another venue"
        if (owner := owners.get((item.account, item.backup))) is not None:
            yield (*path, "backup"), f"{owner} already owns {item.backup} on {item.account}: use another account"
        traders = [s.id for s in config.strategies if item.instrument in s.instruments]
        if len(traders) > 1:
            text = f"{' and '.join(traders)} trade {item.instrument}, and a backup stands in for one strategy only"
            yield (*path, "instrument"), text


def legs(config: Config) -> Iterator[Finding]:
    """What trades at several venues has no backup: its other venue holds its other leg."""
    for i, item in enumerate(config.failover):
        for strategy in config.strategies:
            if strategy.accounts and item.instrument in strategy.instruments:
                text = f"{strategy.id} trades at several venues: its legs have no backup"
                yield ("failover", i, "instrument"), text


def limits(config: Config) -> Iterator[Finding]:
    """What a strategy trades has limits; a missing limit would refuse every order."""
    known = set(config.instrument_ids)
    risk = config.risk
    if risk.default_limits is not None or {"position_notional", "order_notional"} <= values_of(risk.portfolio).keys():
        return
    for i, item in enumerate(config.strategies):
        for j, instrument in enumerate(item.instruments):
            if instrument in known and instrument not in risk.limits:
                text = f"{instrument} has no limits, so every order would be refused: add risk.default_limits"
                yield ("strategies", i, "instruments", j), text


def persons(config: Config) -> Iterator[Finding]:
    """A person has one id, and a chat account speaks for one person."""
    yield from _twice("persons", [item.id for item in config.persons])
    for key in ("telegram_user_id", "discord_user_id"):
        seen: dict[int, str] = {}
        for i, item in enumerate(config.persons):
            account = getattr(item, key)
            first = seen.setdefault(account, item.id)
            if account and first != item.id:
                yield ("persons", i, key), f"{account} already speaks for {first}; an account belongs to one person"


def quorum(config: Config) -> Iterator[Finding]:
    """Every vote that may be needed can be reached by the people there are."""
    section = config.approvals
    if not section.enabled:
        return
    if not config.persons:
        yield ("persons",), "at least one person is needed: nobody could resume or approve"
        return
    for key, text in unreachable([to_person(item) for item in config.persons], to_approvals(config)):
        yield ("approvals", key), text


def impossible(config: Config) -> Iterator[Finding]:
    """Limits do not contradict each other; what the core refuses of a change, a file may not say either."""
    approvals = ApprovalSettings(enabled=False)
    yield from contradictions(Settings(risk=to_risk(config), approvals=approvals))


def doors(config: Config) -> Iterator[Finding]:
    """Addresses are addresses, and hold no password."""
    if config.storage.url:
        parts = urlsplit(config.storage.url)
        if parts.scheme.partition("+")[0] not in {"sqlite", "postgresql"}:
            yield ("storage", "url"), "expected sqlite:///file or postgresql+psycopg://user@host/database"
        elif parts.password:
            yield ("storage", "url"), "holds a password; put it into the secrets file and name it in password_secret"


def parameters(config: Config, kinds: ParamTypes, *, all_kinds: bool) -> Iterator[Finding]:
    """Strategy kinds exist and take these parameters."""
    for i, item in enumerate(config.strategies):
        path: KeyPath = ("strategies", i)
        model = kinds.get(item.kind)
        if model is None:
            if all_kinds:
                offered = sorted(kind for kind in kinds if not kind.startswith("bench_"))
                hint = nearest(item.kind, offered)
                yield (
                    (*path, "kind"),
                    f"there is no strategy kind {found(item.kind)}{hint}; known: {', '.join(offered)}",
                )
            continue
        try:
            model.model_validate({key: natural(value) for key, value in item.params.items()})
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                takes = range_of(model, str(detail["loc"][0])) if detail["loc"] else ""
                text = plain(sentence(detail, detail["loc"], model))
                yield (*path, "params", *detail["loc"]), f"{text} (it takes {takes})" if takes else text
        except Exception as error:  # noqa: BLE001 - the model of a user's file may raise anything
            yield (*path, "params"), f"{item.kind} cannot check its parameters: {error_text(error)}"


def breakers(config: Config) -> Iterator[Finding]:
    """Breakers do what they can do, and count what can be counted."""
    for path, problem in breaker_problems(config.breakers):
        yield ("breakers", *path), problem


def exposed(config: Config) -> Iterator[Finding]:
    """The dashboard is offered to this machine only, or with TLS and under a name."""
    section = config.gateway
    if not is_loopback(section.host) and section.tls is None and not section.behind_proxy:
        yield ("gateway", "host"), f"{found(section.host)}: {NOT_LOOPBACK}"
    if not section.hosts and (not is_loopback(section.host) or section.behind_proxy):
        yield ("gateway", "hosts"), "is empty: say under which name people open it, such as trade.example.com"
    if section.tls is not None and section.behind_proxy:
        yield ("gateway", "behind_proxy"), "and tls exclude each other: either the proxy takes the TLS off, or nobody"
    if any(network.endswith("/0") for network in section.behind_proxy):
        yield ("gateway", "behind_proxy"), "is everybody: what anybody says of who they are would be believed"


Check = Callable[[Config], Iterable[Finding]]
Checks = Sequence[tuple[frozenset[str], Check]]
CHECKS: Checks = (
    (frozenset({"instruments"}), instruments),
    (frozenset({"environment", "accounts", "venues"}), accounts),
    (frozenset({"environment", "instruments", "execution"}), environment),
    (frozenset({"environment", "venues"}), venues),
    (frozenset({"instruments", "venues", "risk", "data_feed", "strategies"}), references),
    (frozenset({"instruments", "venues", "accounts", "strategies"}), strategies),
    (frozenset({"strategies", "failover"}), legs),
    (frozenset({"instruments", "venues", "accounts", "strategies", "failover"}), failover),
    (frozenset({"instruments", "venues", "risk", "strategies"}), limits),
    (frozenset({"risk"}), impossible),
    (frozenset({"persons"}), persons),
    (frozenset({"persons", "approvals"}), quorum),
    (frozenset({"storage", "data_feed"}), doors),
    (frozenset({"breakers"}), breakers),
    (frozenset({"gateway"}), exposed),
    (frozenset({"telegram", "discord", "email", "sms", "hooks", "apprise", "heartbeat"}), channels),
    (frozenset({"persons", "contacts"}), contacts),
    (frozenset({"persons", "alerts"}), on_call),
)


def _twice(section: str, ids: Sequence[str]) -> Iterator[Finding]:
    for i, name in enumerate(ids):
        if name in ids[:i]:
            yield (section, i, "id"), f"the id {found(name)} stands twice; ids are unique"


def _venue(instrument: str) -> str:
    try:
        return parse_instrument_id(instrument)[2]
    except Unrepresentable:
        return ""
