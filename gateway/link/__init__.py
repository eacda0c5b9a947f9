"""The gateway in a process of its own: no slow page and no thousand clients touch trading.

    moondev run                                   moondev gateway
    DeskSource ◀── LinkServer ── D/gateway.sock ── LinkSource ◀── app, hub, clients

wire.py     frames and messages, their bounds
server.py   the engine's side: serves a `Source` to processes of the same user
client.py   the gateway's side: a `Source` that connects again by itself
keeper.py   starts the process and starts it again; the lock that says one runs
"""
