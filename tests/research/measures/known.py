"""A figure of which the test knows that it is there."""

from research.measures import Figure


def value(figure: Figure) -> float:
    """Its value."""
    assert figure.value is not None, figure.caveat
    return figure.value


def bounds(figure: Figure) -> tuple[float, float]:
    """Its interval."""
    assert figure.low is not None, figure.caveat
    assert figure.high is not None, figure.caveat
    return figure.low, figure.high
