"""Requests that no model answers: topics that none of them has, and properties that none of them has together."""

import random
from collections import Counter
from collections.abc import Iterator
from functools import cache

from tests.benchmarks.relevance.models import LANGUAGES, records, texts
from tests.benchmarks.relevance.request import NOTHING, JudgedRequest
from tests.benchmarks.relevance.sentences import EVERYDAY, LIBRARIES, LICENSES, TASKS

SEED = 20261129

# What is asked for, and the words of which one would stand in a model that might be meant.
TOPICS: tuple[tuple[str, str], ...] = (
    ("predict customer churn for a telephone company", "churn"),
    ("does anybody have a credit scoring model?", "credit"),
    ("detect fraudulent insurance claims", "fraud insurance"),
    ("weather forecast for the next three days", "weather forecast nowcast"),
    ("model that estimates the price of houses", "house-price housing real-estate"),
    ("recommend films to viewers", "recommend movielens"),
    ("protein folding", "protein"),
    ("how likely is a patient to come back to hospital", "readmission hospital patient"),
    ("spam filter for e-mails", "spam"),
    ("predict when a machine needs maintenance", "maintenance failure-prediction"),
    ("electricity demand tomorrow", "electricity load-forecast"),
    ("click through rate of advertisements", "ctr- click-through advert"),
    ("lane keeping for trucks", "lane"),
    ("chess engine", "chess"),
    ("plays go at professional strength", "alphago baduk weiqi"),
    ("find oil leaks in satellite radar", "oil-spill leak sar-"),
    ("fingerprint matching", "fingerprint"),
    ("detect plagiarism in student essays", "plagiar"),
    ("estimate the age of trees from rings", "tree-ring dendro"),
    ("bird song identification", "bird"),
    ("cough detection from phone recordings", "cough"),
    ("heart rhythm problems in an ECG", "ecg arrhythm electrocardio"),
    ("seizure prediction from EEG", "eeg seizure"),
    ("diagnose crop disease from leaves", "crop leaf plantvillage"),
    ("count calories in a meal", "calorie"),
    ("predict football results", "football soccer"),
    ("insider trading alerts", "insider trading"),
    ("money laundering detection", "launder aml-"),
    ("route planning for delivery vans", "routing-problem delivery vehicle-rout"),
    ("smell classification with an electronic nose", "odor odour smell"),
    ("predict earthquakes", "earthquake seismic"),
    ("handwriting to tell who wrote a will", "writer-identification graphology"),
    ("fake news detector", "fake-news misinformation"),
    ("satellite trajectory prediction", "trajectory orbit"),
    ("wine quality", "wine"),
    ("predict employee turnover", "turnover attrition"),
    ("loan default probability", "loan default-risk"),
    ("sentiment of tweets about our brand", "brand"),
    ("solve rubik's cube", "rubik"),
    ("drug side effect prediction", "side-effect adverse drug"),
    ("molecule toxicity", "molecul toxicity tox21"),
    ("gene expression from single cells", "gene-expression scrna single-cell"),
    ("airline seat pricing", "airline"),
    ("inventory forecast for supermarkets", "inventory supermarket"),
    ("parking space occupancy", "parking"),
    ("resume screening", "resume-screen candidate-screen"),
    ("sign language interpreter", "sign-language"),
    ("lip reading without sound", "lip-reading lipreading"),
    ("detect deepfake videos", "deepfake"),
    ("taxi arrival time", "taxi arrival"),
)


def made(count: int, seed: int = SEED) -> list[JudgedRequest]:
    """`count` requests, of topics and of properties in turn as far as there are topics, mixed."""
    chance = random.Random(seed)
    topics, properties = _topics(), _properties(chance)
    found: list[str] = []
    while len(found) < count:
        found += [text for text in (next(topics, None), next(properties)) if text is not None]
    chance.shuffle(found)
    return [JudgedRequest(number, NOTHING, text, frozenset()) for number, text in enumerate(found[:count])]


def _topics() -> Iterator[str]:
    for text, words in TOPICS:
        if not any(word in said for said in texts() for word in words.split()):
            yield text


def _properties(chance: random.Random) -> Iterator[str]:
    """A task and what no model of it has: a publisher, a library, or a language under a license. Each by itself is had
    by some model."""
    seen: set[str] = set()
    while True:
        task = chance.choice(sorted(EVERYDAY.keys() | TASKS.keys()))
        found = chance.choice((_publisher, _library, _language))(task, chance)
        if found is None:
            continue
        parts = [chance.choice(EVERYDAY.get(task, ()) + TASKS.get(task, ())), *found]
        chance.shuffle(parts)
        text = chance.choice(("", "is there ", "looking for ")) + " ".join(parts)
        if text not in seen:
            seen.add(text)
            yield text


def _publisher(task: str, chance: random.Random) -> list[str] | None:
    publisher = chance.choice(_often("publisher"))
    held = {one["task"] for one in records() if (one["publisher"] or "").lower() == publisher.lower()}
    return None if held & {task, None} else [f"by {publisher}"]


def _library(task: str, chance: random.Random) -> list[str] | None:
    library = chance.choice(sorted(LIBRARIES))
    held = {one["task"] for one in records() if library in (one["library"], *one["tags"])}
    return None if not held or held & {task, None} else [chance.choice(LIBRARIES[library])]


def _language(task: str, chance: random.Random) -> list[str] | None:
    """What a record does not say of its languages and license is unknown, so that it might answer."""
    code, license_ = chance.choice(sorted(LANGUAGES)), chance.choice(sorted(LICENSES))
    for one in (one for one in records() if one["task"] == task):
        if one["license"] in (license_, None) and (not one["languages"] or code in one["languages"]):
            return None
    return [f"in {LANGUAGES[code].title()}", chance.choice(LICENSES[license_])]


@cache
def _often(field: str) -> list[str]:
    return [value for value, _ in Counter(one[field] for one in records() if one[field]).most_common(60)]
