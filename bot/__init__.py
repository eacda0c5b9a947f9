"""Chat-ops: one table of verbs (text to `Command`), pure renderers, sessions, Telegram and Discord.

Talks to the service only through `engine.desk`; imports nothing else but `domain`.
"""
