"""What the channels besides the chats need: who exists, which addresses are safe, and that apprise is never alone."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from domain.loopback import is_loopback
from engine.config.models import Config
from engine.config.problem import KeyPath
from engine.config.words import found, nearest

Finding = tuple[KeyPath, str]


def channels(config: Config) -> Iterator[Finding]:
    """Every channel that is switched on could work, and what is signed or logged in with goes nowhere else."""
    yield from _email(config)
    yield from _sms(config)
    yield from _hooks(config)
    if config.apprise and not (_chats(config) or config.email.enabled or config.sms.enabled or config.hooks):
        extra = (
            "apprise does not say what failed, so it is an extra: switch telegram, discord, email, sms or hooks on too"
        )
        yield ("apprise",), extra
    if config.heartbeat.url and config.heartbeat.url_secret:
        yield ("heartbeat",), "needs either url, or url_secret when the address itself is secret"
    elif config.heartbeat.url and (problem := _url_problem(config.heartbeat.url)):
        yield ("heartbeat", "url"), problem
    yield from _repeated("apprise", [one.name for one in config.apprise], "name")


def contacts(config: Config) -> Iterator[Finding]:
    """Contacts belong to persons that there are, and each person has one entry."""
    known = [person.id for person in config.persons]
    yield from _repeated("contacts", [contact.person for contact in config.contacts], "person")
    for i, contact in enumerate(config.contacts):
        if contact.person not in known:
            text = f"there is no person {found(contact.person)}{nearest(contact.person, known)}"
            yield ("contacts", i, "person"), text


def on_call(config: Config) -> Iterator[Finding]:
    """Who is called about alerts exists: a name that is none would call nobody at 3 am."""
    known = [person.id for person in config.persons]
    for key in ("on_call", "secondary"):
        for i, name in enumerate(getattr(config.alerts, key)):
            if name not in known:
                yield ("alerts", key, i), f"there is no person {found(name)}{nearest(name, known)}"


def _chats(config: Config) -> bool:
    telegram, discord = config.telegram, config.discord
    return bool((telegram.enabled and telegram.alert_chats) or (discord.enabled and discord.alert_channels))


def _email(config: Config) -> Iterator[Finding]:
    section = config.email
    if not section.enabled:
        return
    if not section.server:
        yield ("email", "server"), "the mail server's name is missing, such as smtp.example.com"
    if not section.sender:
        yield ("email", "sender"), "the address that mails come from is missing"
    if section.tls == "none" and not is_loopback(section.server):
        yield ("email", "tls"), "without TLS the password and every mail can be read on the way: starttls or tls"


def _sms(config: Config) -> Iterator[Finding]:
    section = config.sms
    if not section.enabled:
        return
    for key, value in (("account", section.account), ("sender", section.sender)):
        if not value:
            yield ("sms", key), "is missing: see the console of the provider"
    if problem := _url_problem(section.api_url):
        yield ("sms", "api_url"), problem
    elif not (
        section.api_url == type(section)().api_url
        or is_loopback(urlsplit(section.api_url).hostname or "")
        or section.allow_remote_api_url
    ):
        yield ("sms", "api_url"), "gets the account's token: use the default, or set allow_remote_api_url: true"


def _hooks(config: Config) -> Iterator[Finding]:
    yield from _repeated("hooks", [hook.name for hook in config.hooks], "name")
    for i, hook in enumerate(config.hooks):
        if bool(hook.url) == bool(hook.url_secret):
            yield ("hooks", i), "needs either url, or url_secret when the address itself is secret"
        elif hook.url and (problem := _url_problem(hook.url)):
            yield ("hooks", i, "url"), problem


def _url_problem(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return "expected an https:// address"
    if parts.username is not None or parts.password is not None:
        return "holds a user or password; secrets go into the secrets file"
    if host and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))):
        return ""
    return "expected an https:// address (http:// is for this machine only)"


def _repeated(section: str, names: list[str], key: str) -> Iterator[Finding]:
    for i, name in enumerate(names):
        if name in names[:i]:
            yield (section, i, key), f"{found(name)} stands twice"
