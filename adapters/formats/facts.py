"""What the headers of one model's files say of it together, in the terms of records."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from adapters.formats.header import Header
from adapters.payloads import integer
from adapters.records import Dataset, Parent, Schema

SAFETENSORS = {"pt": "pytorch", "tf": "tensorflow", "flax": "flax", "mlx": "mlx", "np": "numpy"}
IMPORTED = {
    "torch": "pytorch", "sklearn": "sklearn", "xgboost": "xgboost", "lightgbm": "lightgbm",
    "catboost": "catboost", "tensorflow": "tensorflow", "keras": "keras",
}  # fmt: skip
"""Frameworks by the package that a pickle imports from."""


class Facts:
    """What is known of a model from its files. `metadata` is that of the first file that says it."""

    def __init__(self, headers: Sequence[Header]) -> None:
        self.headers = headers
        self.metadata = {key: value for header in reversed(headers) for key, value in header.metadata.items()}

    def told(self, *names: str) -> str | None:
        """The first of these entries of the metadata that says something."""
        return next((self.metadata[name] for name in names if self.metadata.get(name)), None)

    @property
    def description(self) -> str | None:
        """In the author's words."""
        return self.told("general.description", "modelspec.description", "doc_string")

    @property
    def license(self) -> str | None:
        """As the author writes it."""
        return self.told("general.license", "modelspec.license", "license")

    @property
    def author(self) -> str | None:
        """A person."""
        return self.told("general.author", "modelspec.author")

    @property
    def params(self) -> Mapping[str, str]:
        """The architecture and the number of parameters: of the format that has most, where a model lies in several."""
        counts = Counter[str]()
        for header in self.headers:
            counts[header.format] += header.parameters or 0
        most = max(counts.values(), default=0)
        architecture = self.told("general.architecture", "modelspec.architecture")
        found = {"architecture": architecture, "parameters": str(most) if most else None}
        return {name: value for name, value in found.items() if value}

    @property
    def framework(self) -> str | None:
        """What the first file is for."""
        first = next(iter(self.headers), None)
        if first is None:
            return None
        if first.format not in ("safetensors", "pickle"):
            return first.format
        if first.format == "safetensors":
            return SAFETENSORS.get(first.metadata.get("format", ""), "safetensors")
        roots = (name.partition(".")[0] for name in first.imports)
        return next((IMPORTED[root] for root in roots if root in IMPORTED), "pickle")

    @property
    def schema(self) -> Schema | None:
        """What it takes and gives, where exactly one file says so."""
        found = [Schema(one.inputs, one.outputs) for one in self.headers if one.inputs or one.outputs]
        return found[0] if len(found) == 1 else None

    @property
    def base_models(self) -> tuple[Parent, ...]:
        """What it was made from, as GGUF tells it."""
        return tuple(Parent(name, "base") for name in self._numbered("base_model"))

    @property
    def datasets(self) -> tuple[Dataset, ...]:
        """What it was trained on, as GGUF tells it."""
        return tuple(map(Dataset.at, self._numbered("dataset")))

    def _numbered(self, what: str) -> Iterator[str]:
        """What `general.base_model.0.repo_url` and its like name: an address, or a name."""
        for number in range(min(integer(self.metadata.get(f"general.{what}.count")) or 0, 100)):
            names = (f"general.{what}.{number}.{each}" for each in ("repo_url", "url", "name"))
            if found := self.told(*names):
                yield found
