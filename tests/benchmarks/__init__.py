"""Benchmarks: figures beside goals and comparisons, at two sizes: tiny in `make test`, full in `make bench`.

A benchmark is a function in a module of this package::

    @benchmark(sample=1_000, full=1_000_000)
    def search(size: int, folder: Path) -> Iterator[Figure]:
        index = build(size, folder)
        found = seconds(lambda: index.search("fraud"), times=200)
        other = seconds(lambda: fts5.search("fraud"), times=20)
        yield Figure("a word that 10 % match, p50", found.p50 * 1e3, "ms", goal=20,
                     comparison=("SQLite FTS5", other.p50 * 1e3))

`folder` is scratch space, removed afterwards. Each benchmark runs in a fresh process, so peak memory is its
own. The test suite runs it at `sample` size to see that it works (those with servers in `make soak`, but one); no test
looks at a time. `make bench
[ONLY=name]` runs it at `full` size and writes `bench-results.json` with commit, machine and versions; what
has been measured on this commit is kept in `bench-state/` and is not measured again, unless
`python -m tests.benchmarks --again`. What takes hours to make (`company`) is made in the folder
`BENCH_ESTATE` and found there the next time.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

Run = Callable[[int, Path], Iterable["Figure"]]


@dataclass(frozen=True)
class Figure:
    """One measured value. `goal` is the worst that is good enough; `comparison` is what does the same and its
    value in the same unit and run; `higher_is_better` for rates.
    """

    name: str
    value: float
    unit: str
    goal: float | None = None
    comparison: tuple[str, float] | None = None
    higher_is_better: bool = False

    @property
    def met(self) -> bool | None:
        """Is the goal reached? None without one."""
        if self.goal is None:
            return None
        return self.value >= self.goal if self.higher_is_better else self.value <= self.goal

    @property
    def ratio(self) -> float | None:
        """How many times better than the comparison: above 1 we are ahead."""
        if self.comparison is None or not self.value or not self.comparison[1]:
            return None
        theirs = self.comparison[1]
        return self.value / theirs if self.higher_is_better else theirs / self.value

    def document(self) -> dict[str, Any]:
        """As it stands in `bench-results.json`; numbers to four significant digits."""
        compared = self.comparison and {"with": self.comparison[0], "value": _short(self.comparison[1])}
        return {
            "name": self.name,
            "value": _short(self.value),
            "unit": self.unit,
            "goal": self.goal,
            "met": self.met,
            "comparison": compared,
            "ratio": None if self.ratio is None else _short(self.ratio),
        }


@dataclass(frozen=True)
class Benchmark:
    """A declared benchmark and its two sizes."""

    name: str
    run: Run
    sample: int
    full: int
    servers: bool = False


@dataclass(frozen=True)
class Spread:
    """Seconds that repeated calls took."""

    p50: float
    p95: float
    p99: float
    worst: float


def seconds(call: Callable[[], object], *, times: int, warm_up: int = 3) -> Spread:
    """How long a call takes, measured so many times after `warm_up` that are not counted."""
    for _ in range(warm_up):
        call()
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began)
    return spread(taken)


def spread(taken: list[float]) -> Spread:
    """The percentiles of measured seconds (nearest rank)."""
    ordered = sorted(taken)
    p50, p95, p99 = (ordered[max(0, -(-len(ordered) * percent // 100) - 1)] for percent in (50, 95, 99))
    return Spread(p50, p95, p99, ordered[-1])


def benchmark(*, sample: int, full: int, servers: bool = False) -> Callable[[Run], Run]:
    """Declare a benchmark; its name is the function's, with `-` for `_`. `servers`: it starts real ones or builds,
    which costs ten seconds of a core whatever the size.
    """

    def declare(run: Run) -> Run:
        @wraps(run)
        def measured(size: int, folder: Path) -> list[Figure]:
            return list(run(size, folder))

        measured.__dict__["benchmark"] = Benchmark(
            run.__name__.replace("_", "-"), measured, sample, full, servers
        )
        return measured

    return declare


def _short(value: float) -> float:
    return float(f"{value:.4g}")
