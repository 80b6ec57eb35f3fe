"""A metric over the versions of a model, as a drawing that needs no script: axes with values and steps, and the line.

A script adds the point under the pointer or the keyboard (`static/waypost/chart.js`).
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.pages.words import number, rounded

WIDTH, HEIGHT = 400, 200
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 12, 24
"""Room beside the line, for what the axes say."""
DOTS = 60
"""So many versions have a dot each; more have a line alone."""
LINES, NAMES = 5, 4
"""About so many values, and at most so many versions, have their place marked."""
GREATEST = 1e200
"""A greater number is not drawn, and no distance less than its part of 1: nothing of that can be reckoned with."""
LONGEST = 9
"""Characters of a version below the line: of longer ones those that tell them apart."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing of WIDTH by HEIGHT. `values` and `steps` are places on the axes with what stands there; `dots` is a
    path, empty where there are too many; `data` is what the script reads.
    """

    name: str
    newest: str
    values: Sequence[tuple[float, str]]
    steps: Sequence[tuple[float, str]]
    line: str
    dots: str
    data: str


def chart(name: str, points: Sequence[tuple[str, float]]) -> Chart | None:
    """A metric of versions, oldest first; None where there are not two numbers to draw."""
    low, high = min((value for _, value in points), default=0.0), max((v for _, v in points), default=0.0)
    size = max(abs(low), abs(high))
    if len(points) < 2 or size > GREATEST:
        return None
    room = max((high - low) * 0.08, size * (1e-6 if high > low else 0.1), 1 / GREATEST) if size else 1.0
    low, high = low - room, high + room
    across, down = (WIDTH - LEFT - RIGHT) / (len(points) - 1), (HEIGHT - TOP - BOTTOM) / (high - low)
    places = [
        (round(LEFT + across * at, 1), round(TOP + down * (high - value), 1))
        for at, (_, value) in enumerate(points)
    ]
    letters = enumerate(zip(*(version for version, _ in points), strict=False))
    common = next((at for at, signs in letters if len(set(signs)) > 1), 0)
    every = math.ceil((len(points) - 1) / NAMES)
    return Chart(
        name=name,
        newest=f"{number(points[-1][1])} in version {points[-1][0]}",
        values=[(round(TOP + down * (high - value), 1), text) for value, text in marks(low, high)],
        steps=[(places[at][0], _short(points[at][0], common)) for at in range(len(points) - 1, -1, -every)],
        line=" ".join(f"{x},{y}" for x, y in places),
        dots="".join(f"M{x} {y}h0" for x, y in places) if len(points) <= DOTS else "",
        data=json.dumps({"labels": [point[0] for point in points], "values": [point[1] for point in points]}),
    )


def marks(low: float, high: float) -> list[tuple[float, str]]:
    """Round values between two others, in equal steps, with as many digits as tell them apart; one alone where so many
    digits would say nothing.
    """
    size = 10.0 ** math.floor(math.log10((high - low) / LINES))
    step = next(size * by for by in (1, 2, 5, 10) if size * by >= (high - low) / LINES)
    first, last = math.ceil(low / step), math.floor(high / step)
    told = {
        rounded(at * step, step, max(abs(low), abs(high))): at * step for at in range(last, first - 1, -1)
    }
    return [(value, text) for text, value in reversed(told.items())]


def _short(version: str, common: int) -> str:
    if len(version) <= LONGEST:
        return version
    begin = f"…{version[common:]}" if common > 1 else version
    return begin if len(begin) <= LONGEST else f"{begin[: LONGEST - 1]}…"
