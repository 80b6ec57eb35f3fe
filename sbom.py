"""The wheel's bill of materials: the locked runtime requirements as CycloneDX, put into `dist-info/sboms` (PEP 770).

A build hook: `hatchling` runs it. The bill tells no time and its serial number follows from its content, so that a
tree makes the same bytes wherever and whenever it is built. It names no place to download from: that is the business
of whoever installs.
"""

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCK = "requirements.txt"
NAME = "waypost.cdx.json"


@dataclass(frozen=True, slots=True)
class Locked:
    """One line of the lock: a package, where it is needed (an environment marker, or empty), SHA-256 of its files."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]

    @property
    def purl(self) -> str:
        return f"pkg:pypi/{self.name}@{self.version}"


def locked(text: str) -> Iterator[Locked]:
    """What a file of hashed requirements pins. Errors: `ValueError` for a line without a version or a hash."""
    for block in re.split(r"\n(?=\S)", text.strip()):
        line, *options = block.replace("\\\n", "").split(" --hash=sha256:")
        requirement = Requirement(line)
        versions = [one.version for one in requirement.specifier if one.operator == "=="]
        if len(versions) != 1 or not options:
            raise ValueError(
                f"{LOCK} must pin and hash everything, which {line.strip()!r} is not: run `make lock`"
            )
        marker = str(requirement.marker or "")
        hashes = tuple(sorted(option.strip() for option in options))
        yield Locked(canonicalize_name(requirement.name), versions[0], marker, hashes)


def bill(root: Path, version: str) -> str:
    """The bill of this source tree as CycloneDX 1.6 JSON, the same text for the same content."""
    from cyclonedx.model import HashAlgorithm, HashType, Property
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentScope, ComponentType
    from cyclonedx.model.license import DisjunctiveLicense
    from cyclonedx.output.json import JsonV1Dot6
    from packageurl import PackageURL

    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    needed, optional = _asked(project)
    product = Component(
        name=project["name"],
        version=version,
        type=ComponentType.APPLICATION,
        bom_ref=f"pkg:pypi/{project['name']}@{version}",
        purl=PackageURL("pypi", None, project["name"], version),
        description=project["description"],
        licenses=[DisjunctiveLicense(id=project["license"])],
    )
    bom = Bom()
    bom.metadata.component = product
    direct = []
    for each in locked((root / LOCK).read_text()):
        component = Component(
            name=each.name,
            version=each.version,
            type=ComponentType.LIBRARY,
            bom_ref=each.purl,
            purl=PackageURL.from_string(each.purl),
            scope=_scope(each, needed, optional, ComponentScope),
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in each.hashes],
            properties=[Property(name="waypost:marker", value=each.marker)] if each.marker else [],
        )
        bom.components.add(component)
        if each.name in needed | optional:
            direct.append(component)
    bom.register_dependency(product, direct)
    return _timeless(json.loads(JsonV1Dot6(bom).output_as_string()))


def _asked(project: dict[str, Any]) -> tuple[set[str], set[str]]:
    """Names that the product asks for by itself: always, and with an extra only."""
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    needed = {str(canonicalize_name(Requirement(line).name)) for line in project["dependencies"]}
    return needed, {str(canonicalize_name(Requirement(line).name)) for line in extras} - needed


def _scope(each: Locked, needed: set[str], optional: set[str], scope: Any) -> Any:
    """Required or optional where the project says so; nothing about what others bring along."""
    return scope.REQUIRED if each.name in needed else scope.OPTIONAL if each.name in optional else None


def _timeless(document: dict[str, Any]) -> str:
    """Without the time; the serial number is a digest of the rest."""
    document["metadata"].pop("timestamp", None)
    document.pop("serialNumber", None)
    # Of what the others need the lock says nothing, and an empty list would claim that they need nothing.
    document["dependencies"] = [each for each in document["dependencies"] if each.get("dependsOn")]
    content = json.dumps(document, sort_keys=True)
    document["serialNumber"] = f"urn:uuid:{uuid5(NAMESPACE_URL, content)}"
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


class BillOfMaterials(BuildHookInterface[BuilderConfig]):
    """Adds the bill to a wheel; an editable install, which is no product, goes without."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version != "standard":
            return
        self.folder = TemporaryDirectory(prefix="waypost-sbom-")
        path = Path(self.folder.name, NAME)
        path.write_text(bill(Path(self.root), self.metadata.version), encoding="utf-8")
        build_data["sbom_files"].append(str(path))

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if version == "standard":
            self.folder.cleanup()
