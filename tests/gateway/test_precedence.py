"""Files stand back while something else is asked for, all of a process together, and only then."""

import asyncio
import time

import pytest

from gateway import precedence


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the clock shows: it goes on by what is slept."""
    shown = [time.monotonic()]

    async def sleep(seconds: float) -> None:
        shown[0] += seconds

    monkeypatch.setattr(time, "monotonic", lambda: shown[0])
    monkeypatch.setattr(asyncio, "sleep", sleep)
    return shown


def handed_on(clock: list[float], seconds: float, *, asked_every: float, files: int = 1) -> int:
    """Bytes that so many files of one process hand on in a time, where handing on takes none."""

    async def hand_on() -> int:
        pace = precedence.Pace()
        begun, asked, count = clock[0], clock[0], 0

        async def file() -> None:
            nonlocal asked, count
            while clock[0] < begun + seconds:
                if clock[0] >= asked:
                    precedence.note()
                    asked += asked_every
                size = pace.piece()
                count += size
                before = clock[0]
                await pace.stand_back(size)
                if clock[0] == before:
                    clock[0] += 0.001  # it takes some after all

        await asyncio.gather(*(file() for _ in range(files)))
        return count

    return asyncio.run(hand_on())


@pytest.mark.parametrize("files", [1, 5])
def test_while_somebody_asks_all_files_together_keep_to_the_rate(clock: list[float], files: int) -> None:
    count = handed_on(clock, 10, asked_every=0.05, files=files)
    assert count == pytest.approx(10 * precedence.RATE, rel=0.02)


def test_a_question_now_and_then_slows_a_file_only_for_a_moment(clock: list[float]) -> None:
    alone = handed_on(clock, 10, asked_every=60)
    assert alone > 20 * 10 * precedence.RATE
    assert handed_on(clock, 10, asked_every=1) > 0.8 * alone


def test_what_was_asked_for_long_ago_is_forgotten(clock: list[float]) -> None:
    precedence.note()
    assert precedence.is_asked()
    clock[0] += 1.01 * precedence.LASTING  # the sum of two times is not always their sum
    assert not precedence.is_asked()
