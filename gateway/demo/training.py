"""Train the demo's small real models: on data that is made up, in a blink, with metrics of what was held out.

Imported in the demo alone: scikit-learn comes with MLflow.
"""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from gateway.demo.models import DemoModel

if TYPE_CHECKING:
    import pandas as pd

ROWS = 240
"""For version 1; later versions learn from more."""
CODE = """\
'''How alike two texts are, from 0 to 1.'''

from difflib import SequenceMatcher

import mlflow
import pandas as pd


class Alike(mlflow.pyfunc.PythonModel):
    def predict(self, model_input: pd.DataFrame, params: dict[str, str] | None = None) -> pd.DataFrame:
        pairs = zip(model_input["left"], model_input["right"], strict=True)
        return pd.DataFrame({"score": [SequenceMatcher(None, left, right).ratio() for left, right in pairs]})


mlflow.models.set_model(Alike())
"""
"""A model as MLflow logs it from code."""
NEEDED = ("scikit-learn", "numpy", "pandas")
LANGUAGES: Mapping[str, tuple[str, ...]] = {
    "en": ("red shoes", "cheap phone case", "wedding dress", "garden chair", "running jacket"),
    "de": ("rote schuhe", "handyhülle günstig", "brautkleid", "gartenstuhl", "laufjacke"),
    "fr": (
        "chaussures rouges",
        "coque de téléphone",
        "robe de mariée",
        "chaise de jardin",
        "veste de course",
    ),
}
TEXTS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "query-language-detector": LANGUAGES,
    "query-intent-classifier": {
        "buy": ("cheap phone case", "buy red shoes", "garden chair sale"),
        "learn": ("how to clean suede", "which size is 42", "what is merino"),
        "return": ("send back shoes", "refund for my order", "return label"),
    },
    "query-category-predictor": {
        "shoes": ("red shoes", "running trainers", "leather boots"),
        "garden": ("garden chair", "lawn mower", "plant pots"),
        "phones": ("phone case", "charging cable", "screen protector"),
    },
    "review-sentiment": {
        "good": ("love these", "great quality", "fits perfectly"),
        "bad": ("broke at once", "far too small", "very disappointed"),
    },
}
"""What the models of texts learn from, by what each text is."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A model with what it was shown, what it says to that, and how well it did on what was held out."""

    estimator: Any
    shown: "pd.DataFrame"
    said: "pd.DataFrame"
    metrics: Mapping[str, float]


def requirements() -> list[str]:
    """What a model needs to be loaded, as it is here."""
    return [f"{name}=={version(name)}" for name in NEEDED]


def train(model: DemoModel, number: int) -> Trained:
    """A version of a model; the same numbers each time."""
    generator = np.random.default_rng(zlib.crc32(f"{model.name} {number}".encode()))
    return RECIPES[model.recipe](model, generator, ROWS * number)


def _columns(model: DemoModel, generator: np.random.Generator, rows: int) -> "pd.DataFrame":
    """Made-up values for what a model takes."""
    import pandas as pd

    made: dict[str, Any] = {}
    for name, kind in model.inputs.items():
        if kind == "string":
            made[name] = generator.choice([f"{name}-{at}" for at in range(5)], rows)
        else:
            made[name] = generator.gamma(2.0, 20.0, rows).round(2)
    return pd.DataFrame(made)


def _signal(shown: "pd.DataFrame", generator: np.random.Generator) -> Any:
    """What the numbers and words of a row add up to, with some noise."""
    ranks = sum(shown[name].rank(pct=True) * (at + 1) for at, name in enumerate(shown.columns))
    return np.asarray(ranks) / len(shown.columns) + generator.normal(0, 0.2, len(shown))


def _features(shown: "pd.DataFrame") -> Any:
    from sklearn.compose import make_column_transformer
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = list(shown.select_dtypes("number").columns)
    words = [name for name in shown.columns if name not in numbers]
    return make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), words), (StandardScaler(), numbers)
    )


def classifier(model: DemoModel, generator: np.random.Generator, rows: int) -> Trained:
    """Yes or no of a row of a table."""
    import pandas as pd
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.pipeline import make_pipeline

    shown = _columns(model, generator, rows)
    signal = _signal(shown, generator)
    wanted, half = (signal > np.quantile(signal, 0.7)).astype(float), rows // 2
    made = make_pipeline(_features(shown), LogisticRegression(max_iter=200))
    made.fit(shown[:half], wanted[:half])
    score = made.predict_proba(shown[half:])[:, 1]
    said = pd.DataFrame({next(iter(model.outputs)): made.predict(shown[half:])})
    return Trained(made, shown[half:], said, {"auc": float(roc_auc_score(wanted[half:], score))})


def regressor(model: DemoModel, generator: np.random.Generator, rows: int) -> Trained:
    """A number for a row of a table."""
    import pandas as pd
    from sklearn.linear_model import Ridge
    from sklearn.metrics import mean_absolute_error, r2_score
    from sklearn.pipeline import make_pipeline

    shown = _columns(model, generator, rows)
    wanted, half = _signal(shown, generator), rows // 2
    made = make_pipeline(_features(shown), Ridge())
    made.fit(shown[:half], wanted[:half])
    found = made.predict(shown[half:])
    metrics = {
        "r2": float(r2_score(wanted[half:], found)),
        "mae": float(mean_absolute_error(wanted[half:], found)),
    }
    return Trained(made, shown[half:], pd.DataFrame({next(iter(model.outputs)): found}), metrics)


def words(model: DemoModel, generator: np.random.Generator, rows: int) -> Trained:
    """A label for a text, by its letters."""
    import pandas as pd
    from sklearn.compose import make_column_transformer
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import f1_score
    from sklearn.pipeline import make_pipeline

    known = TEXTS[model.name]
    labels = generator.choice(sorted(known), rows)
    (column,) = model.inputs
    texts = [f"{generator.choice(known[label])} {generator.integers(10, 99)}" for label in labels]
    shown, half = pd.DataFrame({column: texts}), rows // 2
    letters = make_column_transformer((TfidfVectorizer(analyzer="char", ngram_range=(1, 3)), column))
    made = make_pipeline(letters, LogisticRegression(max_iter=200))
    made.fit(shown[:half], labels[:half])
    found = made.predict(shown[half:])
    said = pd.DataFrame({next(iter(model.outputs)): found})
    return Trained(made, shown[half:], said, {"f1": float(f1_score(labels[half:], found, average="macro"))})


def alike(model: DemoModel, generator: np.random.Generator, rows: int) -> Trained:
    """How alike two texts are: code that was not trained, tried on pairs that are known to be the same or not."""
    from difflib import SequenceMatcher

    import pandas as pd
    from sklearn.metrics import f1_score

    texts = [text for some in LANGUAGES.values() for text in some]
    left = generator.choice(texts, rows)
    same = generator.integers(0, 2, rows)
    others = generator.choice(texts, rows)
    right = [f"{one} " if is_same else other for one, is_same, other in zip(left, same, others, strict=True)]
    score = [SequenceMatcher(None, a, b).ratio() for a, b in zip(left, right, strict=True)]
    shown, said = pd.DataFrame({"left": left, "right": right}), pd.DataFrame({"score": score})
    found = [int(one > 0.9) for one in score]
    return Trained(None, shown, said, {"f1": float(f1_score(same, found))})


RECIPES: Mapping[str, Callable[[DemoModel, np.random.Generator, int], Trained]] = {
    "classifier": classifier,
    "regressor": regressor,
    "words": words,
    "alike": alike,
}
