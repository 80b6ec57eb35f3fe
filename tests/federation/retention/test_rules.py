"""What conditions mean, where it is known and where it is not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters import Key, ModelRecord, Unread, VersionRecord
from federation.catalogue.reader import Version
from federation.policies.policies import PolicyError
from federation.retention.rules import Life, RetentionRule, StageSpan, check, read_condition

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
RECORD = VersionRecord(
    key=Key("version", "1"),
    model=Key("model", "m"),
    version="1",
    tags={"keep": "yes"},
    created_at=NOW - 400 * DAY,
)


def life(stage: str, *spans: StageSpan, others: tuple[StageSpan, ...] = (), **record: Any) -> Life:
    version = Version(
        1, 1, "fraud", "risk", "memory", 1, "m", ModelRecord(key=Key("model", "m"), name="m"),
        replace(RECORD, **record), stage, "", False, False, (), NOW - 300 * DAY, None,
    )  # fmt: skip
    return Life(version, spans, others, NOW)


def held(
    stage: str, began: float, ended: float | None = None, *, doubt: float | None = 1.0, of: int = 1
) -> StageSpan:
    """A span by days before now; each end is known up to `doubt` days, None: not at all."""

    def interval(days: float | None) -> tuple[datetime | None, datetime | None]:
        if days is None:
            return None, None
        return (None if doubt is None else NOW - (days + doubt) * DAY), NOW - days * DAY

    began_after, began_by = interval(began)
    assert began_by is not None
    return StageSpan(of, stage, began_after, began_by, *interval(ended))


STAGED = life("staging", held("staging", 40))
REPLACED = life(
    "archived", held("production", 90, 20), held("archived", 20), others=(held("production", 20, of=2),)
)


@pytest.mark.parametrize(
    ("text", "one", "holds"),
    [
        ("stage:staging and age > 30d and not promoted", STAGED, [True, True, True]),
        ("age > 40d", STAGED, [None]),
        ("age > 39d and age < 42d", STAGED, [True, True]),
        ("age > 41d", STAGED, [False]),
        ("age < 40d", STAGED, [False]),
        ("age > 30d", life("staging", held("staging", 10, doubt=None)), [None]),  # seen at the first look
        ("age > 10y", life("staging", held("staging", 40, doubt=None)), [None]),
        ("age > 19d", life("none", held("staging", 60, 20)), [True]),
        ("age > 299d and created > 1y and created > 2y", life("none"), [True, True, False]),
        ("promoted and replaced and replaced > 15d", REPLACED, [True, True, True]),
        ("not replaced < 30d", REPLACED, [False]),
        ("stable and stable > 15d and stable > 30d", REPLACED, [True, True, False]),
        ("replaced", life("production", held("production", 90, 20), held("production", 5)), [False]),
        ("stable < 30d", STAGED, [False]),
        ("tag:keep and tag:keep=yes and tag:keep=no and not tag:other", STAGED, [True, True, False, True]),
        ("tag:other", life("none", unread=Unread(("tags",), "refused")), [None]),
    ],
)  # fmt: skip
def test_a_condition_holds_or_not_or_nobody_knows(text: str, one: Life, holds: list[bool | None]) -> None:
    condition = read_condition(text)
    assert [word.holds(one) for word in condition.words] == holds
    assert condition.may_hold(one) == (False not in holds)
    assert [word for word, _ in condition.failing(one)] == [
        word for word, found in zip(condition.words, holds, strict=True) if not found
    ]


@pytest.mark.parametrize(
    "rule",
    [
        RetentionRule("*"),
        RetentionRule("everything", archive="age > 30d"),
        RetentionRule("*", archive="stage:staging"),
        RetentionRule("*", delete="stage:old and age > 3d"),
        RetentionRule("*", archive="age > soon"),
        RetentionRule("*", archive="age"),
        RetentionRule("*", hold=("tag:",)),
        RetentionRule("*", hold=("age > 3d or tag:a",)),
    ],
    ids=str,
)
def test_a_rule_that_cannot_be_is_refused(rule: RetentionRule) -> None:
    with pytest.raises(PolicyError):
        check(rule)
