"""The watchdog: another process that takes the orders out when the engine's heart stops.

folder  the files in DATA/watchdog that both sides know, and the locks
heart   the engine's side: it beats from the loop itself, and stops for good when its run was ended from outside
watch   the watchdog's side: is it dead, what to do, again until it is done
attempt  every venue once
halt    a person's halt where no engine answers
rescue  at one venue: cancel what does not protect, close what is held
"""
