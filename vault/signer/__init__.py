"""The signer: the only code that sees a plain exchange key. It signs what is on a venue's list, and hands back bytes.

    engine ── SignRequests ──▶ D/signer.sock ──▶ server ──▶ the venue's own signer (its list of actions, the key)
           ◀── signatures ───                          └──▶ secrets of the kind `service`, never a key

wire.py     frames and messages, their bounds
server.py   serves a `Mapping[venue, Signer]` and the service secrets to processes of the same user
client.py   the engine's side: the `Signer` port for each venue, and the `Secrets` port
harden.py   what keeps a key out of core dumps, of other processes' reach and of swap
"""
