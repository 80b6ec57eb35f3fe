"""Model cards, from wherever somebody wrote one."""

from datetime import UTC, datetime

from adapters import Key, ModelRecord, VersionRecord, discover
from federation.catalogue.cards import card_of
from federation.catalogue.reader import Version

README = """---
license: mit
---
# Scorer

Scores payments.

## Intended uses & limitations
Card payments in euro.

### Out-of-scope use
Loans.

## Training data
[More Information Needed]

```python
# Evaluation
```
## Bias, Risks, and Limitations
TODO
## Fairness
Measured by age.
"""


def made(description: str | None = None, **tags: str) -> Version:
    """A version with a description and tags."""
    model = ModelRecord(
        key=Key("model", "m"), name="m", description="# Evaluation\nAUC 0.9", tags={"data": "clicks"}
    )
    record = VersionRecord(
        key=Key("version", "1"), model=model.key, version="1", description=description, tags=tags
    )
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return Version(
        1,
        1,
        "r",
        "t",
        "memory",
        1,
        "m",
        model,
        record,
        "none",
        "",
        False,
        False,
        (),
        first_seen_at=at,
        deleted_at=None,
    )


def test_a_card_is_put_together_from_tags_and_sections() -> None:
    found = card_of(made(README, **{"card.ethics": "Reviewed in May."}), discover())
    said = {part: (one.text.splitlines()[0], one.source) for part, one in found.items()}
    assert said == {
        "intended_use": ("Card payments in euro.", "description, Intended uses & limitations"),
        "limitations": ("Card payments in euro.", "description, Intended uses & limitations"),
        "data": ("clicks", "tag of the model data"),
        "evaluation": ("AUC 0.9", "description of the model, Evaluation"),
        "ethics": ("Reviewed in May.", "tag card.ethics"),
    }
    assert "Loans." in found["intended_use"].text


def test_what_only_a_template_holds_is_not_there() -> None:
    assert card_of(made("## Limitations\n\n[More Information Needed]\n## Uses\nN/A"), discover()).keys() == {
        "data",
        "evaluation",
    }
