"""Chat-ops: one table of verbs (text to `Command`), pure renderers, Telegram, Discord and a console.

Talks to the service only through `engine.desk`; imports nothing else but `domain`.

    verbs      the table, and `run_line`: a line of text in, a `Message` out
    parse      words to a verb and its arguments, errors with the nearest valid word
    show, act  what the verbs do: read the desk, or send it a command
    room       `ControlRoom`: what the verbs work with; people holds what each person has chosen
    message    the small document that every door renders
    harmless   any text as any screen may be given it
    render     that document as plain text, Telegram HTML and Discord markdown, cut to each limit
    buttons    signed approve and deny buttons
    jobs       backtests that people ask for, beside trading
    start      the guided set-up: `moondev init`
    store      the operational database: inbox and outbox
    outbox     durable, budgeted, critical-first delivery; line, budget, bundle, handover, reach are its parts
    channels/  e-mail, SMS, webhooks, apprise; canary and heartbeat
    contacts   where people are reached, and instead
    sessions   the durable Telegram inbox and its lanes; a halt has its own
    telegram, discord   thin adapters over the two client libraries
    alerts     the reader of the desk's facts
    alerting   what stands, who is told of it, who is called when nobody acts
    console    the terminal's and the dashboard's line
    local      the terminal's door into a running service
    charts     pictures, drawn in a process of their own; pnl tells the same figures in words
    service    `ChatOps`: what `main.py` starts
"""
