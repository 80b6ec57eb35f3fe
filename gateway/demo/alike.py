"""A model as MLflow logs it from code: how alike two texts are, from 0 to 1. It needs nothing but pandas."""

from difflib import SequenceMatcher
from typing import Any

import mlflow
import pandas as pd


class Alike(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Two columns of text become a score."""

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """A row for each pair."""
        pairs = zip(model_input["left"], model_input["right"], strict=True)
        scores = [SequenceMatcher(None, left.casefold(), right.casefold()).ratio() for left, right in pairs]
        return pd.DataFrame({"score": scores})


mlflow.models.set_model(Alike())
