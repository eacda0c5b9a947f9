"""`moondev init`: from nothing to a linked Telegram and Discord; each step can be run again alone.

cli         the verbs, and the order of the steps
tools       `Tools`: what `main.py` gives, since this room knows neither secrets nor settings files
screen      questions, and the answers of flags where nobody is asked
background  chat libraries run in a thread, so that a question never stops a heartbeat
people      persons, roles, who counts in a vote, one-time codes
telegram    token, person, chat, test message; talk is its conversation with the Bot API
discord     token, invitation, person, channel, test message; guild is its conversation
save        a change of the settings file, shown before it is made
ending      what is set up, what is missing, and the commands to go on
"""
