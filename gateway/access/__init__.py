"""Who comes in, and what they may do: the access database, tokens, sessions, links, tickets, lockout, and the table.

database.py   opens SQLite (`access.db` beside the journal, 0600) or PostgreSQL, brings its schema up to date
secret.py     makes and recognises the secrets that people and programs are given; only their SHA-256 is stored
tokens.py     of programs;  sessions.py  of browsers, with login links and WebSocket tickets
lockout.py    who fails too often waits
stored.py     the database for the event loop: cached for a second, never blocking
access.py     who is this, and what opens and ends; desk.py  what people ask for in chat and at the terminal
caller.py     who asks, as routes see it
table.py      route -> least role, scope, CSRF, rate, body: what is not in it is refused
network.py    names, addresses, proxies
journal.py    carries what was noted here into the engine's journal
doors.py      all of it put together
"""
