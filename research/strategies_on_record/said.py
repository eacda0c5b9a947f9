"""What each strategy is, in words that no run changes."""

from __future__ import annotations

from msgspec import Struct


class Said(Struct, frozen=True, kw_only=True):
    """`does` in two sentences, when it should `lose`, whose rule it is, and what to bear in mind at its figures."""

    title: str
    does: str
    loses: str
    source: str
    mind: str = ""


SAID: dict[str, Said] = {
    "turtle": Said(
        title="Turtle",
        does="It enters when a bar closes beyond the highest high or lowest low of many bars before, with a stop "
        "two true ranges away, and adds units as the move goes on. It believes that what leaves its range "
        "goes on, far enough to pay for the breaks that fail.",
        loses="In ranges, one stop a break. With the near take-profit of the user's variant winners are cut at 0.2 "
        "% while losers run to two true ranges.",
        source="Faith, The Original Turtle Rules, 2003",
        mind="The daily bars are one market in the decade in which it rose some three-hundredfold; most of what a "
        "trend follower earned there is that. Size is a twentieth of the usual, so that four units fit under "
        "the limit of an asset.",
    ),
    "lead_lag": Said(
        title="Correlation: lead and lag",
        does="When the leader breaks its range, it trades the alt that has followed least so far, in the leader's "
        "direction. It believes that one market moves first and that who has moved least has the move ahead.",
        loses="When the laggard has its own reason, when the leader's break is false, when all move at once.",
        source="the user's rule; Lo & MacKinlay 1990",
        mind="Three weeks of January 2018, last-trade prices of an exchange that is gone: a price that stands "
        "still because nobody traded looks like a lag, and could not have been traded at. Its author had seen "
        "these data when the smallest lag and the plain-mean true range were chosen; both lowered profit.",
    ),
    "pairs": Said(
        title="Pairs",
        does="Where two prices pass a test of cointegration and are apart, it sells the dear one and buys the "
        "other, and leaves when they meet. It believes that they belong together for a reason outside of the "
        "sample.",
        loses="When the relation ends, or was chance (a 5 % level passes every twentieth pair), and to four fees a "
        "trip.",
        source="Engle & Granger 1987; Gatev, Goetzmann & Rouwenhorst 2006; Chan 2013",
        mind="Three pairs of three weeks: whether a pair belongs together cannot be learned from them.",
    ),
    "consolidation": Said(
        title="Consolidation",
        does="`inside` buys the lower third of a tight range and sells its upper third; `break` follows a close "
        "outside of it. The one believes that a market which has hardly moved stays, the other that it winds "
        "up for a move.",
        loses="`inside` when the range breaks, `break` when the break is false; both to costs: with a target of 0.3 "
        "% and a stop of 0.25 % it takes 62 winners of 100 to pay two takers' fees.",
        source="the user's rule; Crabel 1990",
    ),
    "nadaraya_watson": Said(
        title="Nadaraya-Watson",
        does="It follows the turns of a kernel regression over past closes only, and fades a stochastic RSI that "
        "leaves its extremes. It believes that there is a smooth path whose turns last.",
        loses="Sideways, where each turn is noise that is followed late, and in trends by the RSI.",
        source="Nadaraya 1964, Watson 1964; Chande & Kroll 1994",
        mind="The form on charts repaints and looks far better; this one [does not](research.md).",
    ),
    "mean_reversion": Said(
        title="Mean reversion",
        does="It fades closes that are two deviations from the mean of twenty bars, the furthest of many markets "
        "first, while a variance ratio says that moves are being taken back. It believes that haste pushed "
        "the price and that it comes back.",
        loses="In trends, on all instruments at once.",
        source="Bollinger 2001; Lo & MacKinlay 1988",
        mind="On the basket a bounce between bid and ask looks like a move that is taken back: these are "
        "last-trade prices, and nobody may have been able to trade at them. A gain there is no evidence.",
    ),
    "market_maker": Said(
        title="Market maker",
        does="It quotes both sides post-only around a fair price, as far off as fee and volatility ask, and leans "
        "against what it holds. It believes that most trades are noise, and that who waits earns the spread "
        "from who hurries.",
        loses="To flow that knows more, and where the spread is less than two fees.",
        source="Stoikov 2018; quotes by fee and volatility",
        mind="The recordings are minutes long. The place in the queue is a model's.",
    ),
    "calibrated_maker": Said(
        title="Calibrated market maker",
        does="The same, with distance and lean from Avellaneda-Stoikov or Gueant-Lehalle-Tapia, fitted to the "
        "orders that come while it trades. It believes besides that orders are a Poisson stream.",
        loses="As the plain one, and when the fit is of a market that has changed.",
        source="Avellaneda & Stoikov 2008; Gueant, Lehalle & Fernandez-Tapia 2011",
        mind="The recordings are minutes long. The place in the queue is a model's.",
    ),
    "arbitrage": Said(
        title="Arbitrage of prices",
        does="It buys an asset where it is cheap and sells it at the same moment where it is dear, when that "
        "leaves 0.1 % after both fees, and holds both until the gap turns. It believes that two prices of one "
        "asset come together.",
        loses="When they do not, and on a leg that fills alone.",
        source="O'Hara 1995; Makarov & Schoar 2020",
        mind="There is one recording of two venues, minutes long, one of them spot: what pays four fees is rarer "
        "than that.",
    ),
    "funding_arbitrage": Said(
        title="Arbitrage of fundings",
        does="It is long where holding costs least and short where it pays most, with no view of the price. It "
        "believes that a difference between two fundings outlasts four fees and both spreads.",
        loses="When the difference turns before, when the prices drift apart, on a leg that fills alone.",
        source="BIS working paper 1087, 2023; He et al. 2022",
    ),
}
