"""The software of a package: its framework, its container images, and what their names say of the libraries inside."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from adapters.records import HIDDEN, Environment, Image
from adapters.sagemaker.keys import Raw

_OURS = re.compile(
    r"^\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?/(?:sagemaker-)?(?P<name>[a-z0-9-]+)"
    r"(?::(?P<tag>[\w.-]+))?(?:@sha256:[0-9a-f]{64})?$"
)
"""An image in ECR, where AWS keeps its own and teams keep copies of them under their names."""
_LIBRARY_OF: Mapping[str, str] = {
    "pytorch": "pytorch",
    "tensorflow": "tensorflow",
    "mxnet": "mxnet",
    "xgboost": "xgboost",
    "sklearn": "sklearn",
    "scikit-learn": "sklearn",
    "sparkml-serving": "sparkml",
}
_PURPOSE = re.compile(r"(?:-tgi|-tei|-neuronx?)?-(?:inference|training|serving)(?:-.*)?$")
_VERSION = re.compile(r"^(\d+(?:\.\d+)+)")
_WITHIN = re.compile(r"(?:^|-)(transformers|diffusers)(\d+(?:\.\d+)+)")
_PYTHON = re.compile(r"(?:^|-)py(\d)(\d{1,2})(?:-|$)")


def framework_of(container: Raw, tags: Mapping[str, str]) -> str | None:
    """The framework by its usual name (`pytorch`): what SageMaker holds of it, a tag, or what the image's name says."""
    named = container.get("Framework") or tags.get("framework")
    if named:
        plain = str(named).strip().lower()
        return _LIBRARY_OF.get(plain, plain) or None
    return next(iter(_within(container.get("Image") or "")), None)


def environment_of(containers: Iterable[Raw], framework: str | None) -> Environment:
    """The images of all containers; the libraries of the first, which is the one that is the version."""
    held = list(containers)
    if not held:
        return Environment()
    main = held[0]
    libraries = _within(main.get("Image") or "")
    if framework and main.get("FrameworkVersion"):
        libraries[framework] = str(main["FrameworkVersion"])
    python = _PYTHON.search(_tag(main.get("Image") or ""))
    return Environment(
        images=tuple(
            dict.fromkeys(
                Image.at(str(each["Image"]), each.get("ImageDigest")) for each in held if each.get("Image")
            )
        ),
        libraries=libraries,
        python=f"{python[1]}.{python[2]}" if python else None,
    )


def without_values(payload: Raw) -> dict[str, Any]:
    """A payload in which the values of the containers' environment, which often hold secrets, are hidden."""
    return {name: _hidden(value, name) for name, value in payload.items()}


def _hidden(value: Any, name: str) -> Any:
    if isinstance(value, list):
        return [_hidden(each, "") for each in value]
    if not isinstance(value, dict):
        return value
    if name == "Environment":
        return dict.fromkeys(value, HIDDEN)
    return without_values(value)


def _within(image: str) -> dict[str, str]:
    """The libraries that the name of an image of AWS's names, the framework first; empty for any other image."""
    found = _OURS.match(image)
    if not found:
        return {}
    name = _PURPOSE.sub("", found["name"]).removeprefix("huggingface-")
    library = _LIBRARY_OF.get(name)
    if not library:
        return {}
    tag = found["tag"] or ""
    version = _VERSION.match(tag)
    return {library: version[1] if version else "", **dict(_WITHIN.findall(tag))}


def _tag(image: str) -> str:
    found = _OURS.match(image)
    return (found["tag"] or "") if found else ""
