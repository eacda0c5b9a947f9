"""The dashboard: a static page of ES modules over the public REST and WebSocket API, and nothing else.

    assets.py      serves it
    static/        index.html, and app.js with the list of pages; pages/ (one file each), lib/ (what they are made of),
                   style/ (tokens.css has every colour and size), vendor/ (Preact with htm, lightweight-charts)

There is no build step: what is here is what the browser runs, under a policy that allows nothing inline and no other
host.
"""
