"""Rows of MLflow's that no record is made of."""

import pytest

from adapters import MOST_NAMES, BadRecordError
from adapters.mlflow.records import Translator


def test_a_model_with_more_tags_than_are_kept_is_told_and_can_be_found_by_its_identity() -> None:
    row = {
        "name": "scorer",
        "creation_timestamp": 1,
        "tags": [{"key": f"k{number}", "value": ""} for number in range(MOST_NAMES + 1)],
    }
    with pytest.raises(BadRecordError, match="10,001 tags, more than 10,000") as refused:
        Translator("http://x", None).model(row)
    assert refused.value.native == Translator("http://x", None).model({**row, "tags": []}).key.native_id
