"""Channels in a settings file: what is incomplete, unsafe or nobody's is refused, with the way out."""

import pytest

from engine.config import Problems, load_config
from engine.config.parts import bot_fields, channel_secrets

WHOLE = """
email: {enabled: true, server: smtp.example.com, user: desk, sender: desk@example.com}
sms: {enabled: true, account: AC1, sender: '+15555550199'}
hooks: [{name: pager, url: https://example.com/hook, secret: hook_pager}]
apprise: [{name: phone, url_secret: apprise_phone}]
heartbeat: {url_secret: heartbeat_url, every: 30s}
contacts: [{person: tina, email: tina@example.com, sms: '+15555550100'}]
"""


def loaded(tmp_path, text):
    file = tmp_path / "s.yaml"
    file.write_text(text)
    return load_config(file)


def test_a_whole_set_of_channels_is_taken_and_its_secrets_are_known_by_name(tmp_path):
    config = loaded(tmp_path, WHOLE)
    assert channel_secrets(config) == ["email_password", "sms_token", "hook_pager", "apprise_phone", "heartbeat_url"]
    fields = bot_fields(config)
    assert fields["hooks"] == [{"name": "pager", "url": "https://example.com/hook", "secret": "hook_pager"}]
    assert fields["contacts"] == [{"person": "tina", "email": "tina@example.com", "sms": "+15555550100"}]
    assert channel_secrets(load_config(None)) == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("email: {enabled: true, sender: a@b.c}", "the mail server's name is missing"),
        ("email: {enabled: true, server: mail.example.com}", "the address that mails come from is missing"),
        ("email: {enabled: true, server: m.example.com, sender: a@b.c, tls: none}", "can be read on the way"),
        ('email: {sender: "a@b.c\\r\\nBcc: x@y.z"}', "expected an e-mail address"),
        ("sms: {enabled: true, sender: '+15555550199'}", "see the console of the provider"),
        ("sms: {sender: 015112345678}", "with its country code"),
        (
            "sms: {enabled: true, account: A, sender: '+15555550199', api_url: https://x.example}",
            "allow_remote_api_url",
        ),
        ("sms: {enabled: true, account: A, sender: '+15555550199', api_url: http://x.example}", "expected an https://"),
        ("hooks: [{name: a}]", "needs either url, or url_secret"),
        ("hooks: [{name: a, url: https://x.example, url_secret: b}]", "needs either url, or url_secret"),
        ("hooks: [{name: a, url: http://x.example/}]", "expected an https:// address"),
        ("hooks: [{name: a, url: 'https://user:pass@x.example/'}]", "holds a user or password"),
        ("hooks: [{name: a, url: 'https://[x'}]", "expected an https:// address"),
        ("hooks: [{name: a, url_secret: b}, {name: a, url_secret: c}]", "'a' stands twice"),
        ("apprise: [{name: a, url_secret: b}]", "it is an extra"),
        ("heartbeat: {url: http://x.example}", "expected an https:// address"),
        ("heartbeat: {url: https://x.example, url_secret: b}", "needs either url, or url_secret"),
        ("contacts: [{person: tine}]", "there is no person 'tine'; did you mean tina"),
        ("alerts: {on_call: [tina, rose]}", "there is no person 'rose'; did you mean rosa"),
        ("alerts: {safe_action: panic}", "safe_action"),
        ("contacts: [{person: tina}, {person: tina}]", "'tina' stands twice"),
    ],
)
def test_what_would_not_work_or_not_be_safe_is_refused(tmp_path, text, sentence):
    with pytest.raises(Problems) as raised:
        loaded(tmp_path, text)
    assert sentence in str(raised.value)
