"""The public API: REST, WebSocket, authentication, and the dashboard, which is only a client of it.

Talks to the service only through `engine.desk`; imports nothing else but `domain`.
"""
