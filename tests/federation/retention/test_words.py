"""What rules do is told in words."""

import pytest

from federation.retention.retention import RetentionRule
from federation.retention.words import about, says


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (
            RetentionRule("*", archive="stage:staging and age > 30d and not promoted"),
            (
                "archives a version when its stage is staging, it has had its stage for more than 30 days and it has "
                "never been in production"
            ),
        ),
        (
            RetentionRule("*", delete="stage:archived and created > 1y"),
            "deletes a version when its stage is archived and it was made more than 1 year ago",
        ),
        (
            RetentionRule("*", hold=("tag:legal_hold=true",)),
            "keeps a version when it has the tag legal_hold = true",
        ),
        (
            RetentionRule("*", hold=("replaced < 24h and not tag:junk",)),
            "keeps a version when it left production less than 24 hours ago and it does not have the tag junk",
        ),
        (
            RetentionRule("*", archive="stable > 90m and replaced and not stage:none"),
            (
                "archives a version when another version of its model has been in production for more than 90 minutes, "
                "it has been in production and is there no more and its stage is not none"
            ),
        ),
        (
            RetentionRule("*", hold=("not stable", "not replaced")),
            (
                "keeps a version when no other version of its model is in production; "
                "keeps a version when it is in production or never was"
            ),
        ),
    ],
)
def test_a_rule_says_what_it_does_and_when(rule: RetentionRule, told: str) -> None:
    assert "; ".join(says(rule)) == told


@pytest.mark.parametrize(
    ("on", "told"),
    [
        ("*", "every version"),
        ("team:risk", "every version of team risk"),
        ("registry:fraud", "every version in registry fraud"),
        ("tag:tier=gold", "every version with the tag tier = gold"),
        ("fraud/scorer", "every version of fraud/scorer"),
    ],
)
def test_a_rule_says_what_it_is_on(on: str, told: str) -> None:
    assert about(on) == told
