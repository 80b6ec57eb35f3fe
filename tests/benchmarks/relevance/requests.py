"""All requests, from all makers."""

from tests.benchmarks.relevance import handwritten, keywords, sentences, unanswerable
from tests.benchmarks.relevance.request import JudgedRequest

PER_KIND = 120
UNANSWERED = 100


def requests(per_kind: int = PER_KIND) -> list[JudgedRequest]:
    """Those of each maker: `per_kind` of each kind that is made, and as much of the others as is in proportion."""
    share = min(per_kind / PER_KIND, 1)
    by_hand = handwritten.requests()
    return [
        *keywords.made(per_kind),
        *sentences.made(per_kind),
        *unanswerable.made(round(UNANSWERED * share)),
        *by_hand[: round(len(by_hand) * share)],
    ]
