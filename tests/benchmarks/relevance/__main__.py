"""What the requests for tuning find: `python -m tests.benchmarks.relevance [KIND]` prints the quality of each kind, and
with a kind each request of it that has no right model in the first place, with what stands there.

Those for reporting are not shown one by one: `--reporting` prints their figures alone.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.relevance.load import searching
from tests.benchmarks.relevance.measure import Find, Quality, measure, rank
from tests.benchmarks.relevance.models import records
from tests.benchmarks.relevance.request import NOTHING, JudgedRequest
from tests.benchmarks.relevance.requests import requests


def main(arguments: list[str]) -> None:
    """Print the figures of one part, and what went wrong of one kind."""
    parser = argparse.ArgumentParser(description="relevance of search over the requests for tuning")
    parser.add_argument("kind", nargs="?", help="show what goes wrong of this kind; 'all' of every kind")
    parser.add_argument("--reporting", action="store_true", help="figures of the part for reporting instead")
    chosen = parser.parse_args(arguments)
    asked = [request for request in requests() if request.for_reporting == chosen.reporting]
    with (
        tempfile.TemporaryDirectory() as folder,
        searching({record["name"] for record in records()}, Path(folder)) as find,
    ):
        report = measure(asked, find)
        for kind, quality in [*report.kinds.items(), ("overall", report.overall)]:
            print(f"{kind:28} {_line(quality)}")
        print(f"{NOTHING:28} {report.told:.3f} said so")
        if chosen.kind and not chosen.reporting:
            for request in asked:
                if chosen.kind in (request.kind, "all"):
                    _show(request, find)


def _line(quality: Quality) -> str:
    return (
        f"{quality.requests:4} requests  MRR {quality.mrr:.3f}  @5 {quality.success_at_5:.3f}  "
        f"@10 {quality.success_at_10:.3f}  empty {quality.empty:.3f}  denied {quality.denied:.3f}"
    )


def _show(request: JudgedRequest, find: Find) -> None:
    answer = find(request.text)
    place = rank(request, answer)
    right = answer.nothing_fits if request.kind == NOTHING else place == 1
    if not right:
        print(f"\n{request.kind}: {request.text}")
        print(f"  right ({len(request.answers)}): {', '.join(sorted(request.answers)[:3])}; at {place}")
        print(
            f"  found: {', '.join(answer.names[:3]) or '-'}{'; nothing fits' if answer.nothing_fits else ''}"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
