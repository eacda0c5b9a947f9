"""The channels besides the chats: e-mail, SMS, webhooks and whatever apprise reaches. They only speak, nobody answers.

    dialects   a `Message` as a mail, as 160 characters, as the text of a webhook
    email      SMTP: text and HTML in one mail, pictures inline, a message id that repetitions keep
    sms        a REST interface of Twilio's shape
    webhook    signed JSON by POST
    apprise    anything else; never the only way for what is critical
    http       what sms and webhook share: no redirects, bounded answers, and what an answer means for a letter
    speakers   which of them are switched on, each with its health

Addresses come from the settings file alone, secrets by name from the `Secrets` port.
"""
