"""Pictures for chat: what is earned, risked and traded, drawn for a phone in dark mode.

draw     what a chart shows, asked of the desk; `draw(kind, room, since_ns, until_ns, ...)` returns a `Picture`
sheet    the drawing as plain data: lines, candles, marks, bars
studio   hands sheets to a process of its own, so that the trading loop never waits for a drawing
child    that process
paint    a sheet as PNG, with matplotlib; nothing else in the service imports it
verbs    `/chart`
"""
