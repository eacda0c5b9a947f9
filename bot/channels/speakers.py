"""Which channels besides the chats are switched on, each with its health, opened with its secrets.

One that lacks a secret is disabled, says so, and looks again every few minutes; the others and trading go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from bot.carrier import Carrier
from bot.channels.email import EmailCarrier
from bot.channels.heartbeat import Heartbeat
from bot.channels.sms import SmsCarrier
from bot.channels.webhook import WebhookCarrier, key_of
from bot.config import SMS_URL, BotConfig, HookConfig, check_hook_url, check_url
from bot.outbox import Outbox
from bot.supervise import Disabled, Health, keep_running, quiet_libraries
from domain.errors import ConfigError
from domain.ports import Secrets


class Speaker(Carrier, Protocol):
    """A carrier that holds connections or threads until it is closed."""

    async def probe(self, recipient: str) -> bool:
        """Whether a letter would be taken now, found out silently; False when it cannot be. Raises as sending."""
        ...

    async def aclose(self) -> None:
        """Give up what it holds."""
        ...


class Speakers:
    """Opens the configured channels; `health` says how each is."""

    def __init__(self, outbox: Outbox, config: BotConfig, secrets: Secrets) -> None:
        self._outbox = outbox
        self._config = config
        self._secrets = secrets
        openers: dict[str, tuple[bool, Callable[[], Speaker]]] = {
            "email": (config.email.enabled, self._email),
            "sms": (config.sms.enabled, self._sms),
            "hook": (bool(config.hooks), self._hooks),
            "apprise": (bool(config.apprise), self._apprise),
        }
        self._openers = {name: opener for name, (enabled, opener) in openers.items() if enabled}
        self.health = {name: Health() for name in self._openers}
        self.beats = bool(config.heartbeat.url or config.heartbeat.url_secret)
        """Whether there is a heartbeat to be sent."""
        self.heart = Health()
        self.open: dict[str, Speaker] = {}

    async def run(self) -> None:
        """Keep every channel open until cancelled."""
        quiet_libraries()
        async with asyncio.TaskGroup() as group:
            for name, health in self.health.items():
                group.create_task(keep_running(name, self._session(name), health))

    async def beat(self, progress: Callable[[], tuple[int, int]], healths: Callable[[], Mapping[str, Health]]) -> None:
        """Send the heartbeat until cancelled. Raises `Disabled` without its address."""
        section = self._config.heartbeat
        try:
            url = self._secrets.get(section.url_secret) if section.url_secret else section.url
            check_hook_url("the heartbeat's address", url)
        except ConfigError as error:
            raise Disabled(str(error)) from None
        await Heartbeat(url, section.every_s, progress, healths, self.heart).run()

    def _session(self, name: str) -> Callable[[], Awaitable[None]]:
        async def session() -> None:
            try:
                speaker = self._openers[name]()
            except ConfigError as error:
                raise Disabled(str(error)) from None
            self.open[name] = speaker
            self._outbox.attach(name, speaker)
            self.health[name].set("up")
            try:
                await asyncio.Event().wait()
            finally:
                del self.open[name]
                await self._outbox.detach(name)
                await speaker.aclose()

        return session

    def _email(self) -> Speaker:
        section = self._config.email
        return EmailCarrier(section, self._secrets.get(section.password_secret) if section.user else "")

    def _sms(self) -> Speaker:
        section = self._config.sms
        remote = section.allow_remote_api_url
        check_url("sms.api_url", section.api_url, SMS_URL, allow_remote=remote, allowed_by="allow_remote_api_url")
        return SmsCarrier.open(section, self._secrets.get(section.token_secret))

    def _hooks(self) -> Speaker:
        return WebhookCarrier({hook.name: self._hook(hook) for hook in self._config.hooks})

    def _hook(self, hook: HookConfig) -> tuple[str, bytes]:
        url = self._secrets.get(hook.url_secret) if hook.url_secret else hook.url
        check_hook_url(f"the address of the hook {hook.name}", url)
        return url, key_of(self._secrets.get(hook.secret)) if hook.secret else b""

    def _apprise(self) -> Speaker:
        from bot.channels.apprise import AppriseCarrier

        return AppriseCarrier({one.name: self._secrets.get(one.url_secret) for one in self._config.apprise})
