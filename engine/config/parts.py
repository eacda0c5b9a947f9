"""What other rooms' own settings are made from: plain fields that `main.py` converts into their structs."""

from __future__ import annotations

from typing import Any

from engine.config.models import Config

MILLISECOND_NS = 1_000_000
SECOND_NS = 1_000_000_000


def paper_fields(config: Config) -> dict[str, Any]:
    """Fields of `exchanges.paper.config.PaperConfig`."""
    section = config.paper
    return {
        "seed": section.seed,
        "feed_ns": section.feed_latency_ms * MILLISECOND_NS,
        "entry_ns": section.entry_latency_ms * MILLISECOND_NS,
        "response_ns": section.response_latency_ms * MILLISECOND_NS,
        "jitter_ns": section.jitter_ms * MILLISECOND_NS,
        "fill_model": section.fill_model,
        "queue_model": section.queue_model,
        "queue_power": section.queue_power,
        "faults": [
            {"fault": f.fault, "probability": float(f.probability), "kinds": f.kinds, "span_ns": f.span_ns}
            for f in section.faults
        ],
    }


def venue_fields(config: Config) -> list[dict[str, Any]]:
    """Fields of `exchanges.shared.setup.VenueSetup`, one for each venue; an API key is there by its secret's name."""
    return [
        {
            "venue": item.id,
            "network": config.network_of(item),
            "base_url": item.base_url,
            "instruments": item.instruments,
            "terms": {name: terms.model_dump() for name, terms in item.terms.items()},
            "connect_timeout_s": item.connect_timeout_ns / SECOND_NS,
            "accounts": [
                {
                    "id": account.id,
                    "key": account.key or "",
                    "api_key": account.api_key or "",
                    "address": account.address,
                    "subaccount": account.subaccount,
                    "authenticator_id": account.authenticator_id,
                    "is_vault": account.is_vault,
                    "cannot_withdraw": account.cannot_withdraw,
                }
                for account in item.accounts
            ],
        }
        for item in config.venues
    ]


def market_fields(venue: str, config: Config) -> dict[str, Any]:
    """Fields of `exchanges.shared.public.PublicSide`: the source of prices, else the file's network of a venue.

    That is mainnet for a venue that the file does not name.
    """
    if config.is_data_feed(venue):
        return {"ws_url": config.data_feed.base_url, "api_url": config.data_feed.api_url}
    found = next((item for item in config.venues if item.name == venue.lower()), None)
    network, base_url = (config.network_of(found), found.base_url) if found is not None else ("mainnet", "")
    return {"venue": venue.upper(), "network": network, "base_url": base_url}


def bot_fields(config: Config) -> dict[str, Any]:
    """Fields of `bot.config.BotConfig`."""
    alerts = config.alerts
    return {
        "telegram": config.telegram.model_dump(),
        "discord": config.discord.model_dump(),
        "alerts": {
            "min_severity": alerts.min_severity,
            "fills": alerts.fills,
            "fill_wait_s": alerts.fill_wait_ns / SECOND_NS,
            "fill_interval_s": alerts.fill_interval_ns / SECOND_NS,
            "repeat_s": alerts.repeat_ns / SECOND_NS,
            "group_wait_s": alerts.group_wait_ns / SECOND_NS,
            "update_s": alerts.update_ns / SECOND_NS,
            "renew_s": alerts.renew_ns / SECOND_NS,
            "settle_s": alerts.settle_ns / SECOND_NS,
            "reopen_s": alerts.reopen_ns / SECOND_NS,
            "again_s": alerts.call_again_ns / SECOND_NS,
            "secondary_s": alerts.call_secondary_ns / SECOND_NS,
            "everyone_s": alerts.call_everyone_ns / SECOND_NS,
            "escalate_s": alerts.call_repeat_ns / SECOND_NS,
            "safe_action": alerts.safe_action,
            "safe_action_s": alerts.safe_after_ns / SECOND_NS,
            "on_call": alerts.on_call,
            "secondary": alerts.secondary,
            "digest_hour_utc": alerts.digest_hour_utc,
        },
        "email": config.email.model_dump(),
        "sms": config.sms.model_dump(),
        "hooks": [hook.model_dump(exclude_none=True) for hook in config.hooks],
        "apprise": [one.model_dump() for one in config.apprise],
        "heartbeat": {
            "url": config.heartbeat.url,
            "url_secret": config.heartbeat.url_secret or "",
            "every_s": config.heartbeat.every_ns / SECOND_NS,
        },
        "contacts": [contact.model_dump() for contact in config.contacts],
    }


def vault_fields(config: Config) -> dict[str, Any]:
    """Fields of `vault.config.VaultConfig`."""
    section = config.vault
    return {
        "signer": section.signer,
        "passphrase_from": section.passphrase.source,
        "passphrase_file": section.passphrase.file,
        "key_file": section.key_file,
        "kinds": secret_kinds(config),
    }


def secret_kinds(config: Config) -> dict[str, str]:
    """Which kind of record (`vault.format.Kind`) each secret is that the settings name."""
    accounts = [account for venue in config.venues for account in venue.accounts]
    people = [f"totp_{person.id}" for person in config.persons]
    names = [
        *channel_secrets(config),
        config.storage.password_secret,
        config.gateway.database,
        *(one.api_key for one in accounts),
        *people,
    ]
    doors = [config.telegram.token_secret, config.discord.token_secret, config.email.password_secret]
    kinds = {name: "service" for name in [*doors, config.sms.token_secret, *names] if name}
    return kinds | {account.key: "exchange" for account in accounts if account.key}


def gateway_fields(config: Config) -> dict[str, Any]:
    """Fields of `gateway.access.doors.AccessSetup`."""
    section = config.gateway
    return {
        "database": section.database or "",
        "hosts": section.hosts,
        "behind_proxy": section.behind_proxy,
        "certificate": section.tls.certificate if section.tls is not None else "",
        "key": section.tls.key if section.tls is not None else "",
        "session_ns": section.session_ns,
        "idle_ns": section.idle_ns,
        "token_ns": section.longest_token_ns,
        "per_second": {name: float(value) for name, value in section.limits.model_dump().items()},
    }


def channel_secrets(config: Config) -> list[str]:
    """Names of the secrets that the chats and channels which are switched on need."""
    bots = [door.token_secret for door in (config.telegram, config.discord) if door.enabled]
    mail = [config.email.password_secret] if config.email.enabled and config.email.user else []
    sms = [config.sms.token_secret] if config.sms.enabled else []
    hooks = [name for hook in config.hooks for name in (hook.url_secret, hook.secret) if name]
    heartbeat = [config.heartbeat.url_secret] if config.heartbeat.url_secret else []
    return [*bots, *mail, *sms, *hooks, *(one.url_secret for one in config.apprise), *heartbeat]
