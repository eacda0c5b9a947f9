"""Alerts that arrive: what stands, who is told, who is called when nobody acts.

model      alerts, groups of them, mutes, and what is to be said or done
kinds      what ends a kind of alert, what hides it, which nobody may miss
book       `Book`: the state, and what facts and people do to it; pure, as all of these are
tell       when time goes on: groups are told, mutes and quiet hours end, the digest goes out
ladder     escalation, up to the safe action
people     who is told
quiet      the hours in which a person is left alone
words      what people read
intake     facts to alerts
progress   how far the facts are read
rows       the book in `ops.db`, one transaction with its letters
safety     the safe action, through the desk
service    `AlertRoom`: the book with its disk, clock and outbox
verbs      /alerts, /ack
"""
