"""The software of a version in its bill of materials: libraries and container images as components of the model."""

from collections.abc import Iterator
from urllib.parse import quote

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.component import Component, ComponentType
from packageurl import PackageURL

from adapters import Environment, Image

EXACT = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.+-_!")
"""Characters of a version; a constraint such as `>=1.2,<2` has others."""
DIGEST = "sha256:"


def components(environment: Environment, within: str) -> list[Component]:
    """Libraries and images of an environment. `within` is the version's reference, with which each `bom-ref` begins."""
    return [*_libraries(environment, within), *(_image(image, within) for image in environment.images)]


def _libraries(environment: Environment, within: str) -> Iterator[Component]:
    for name, stated in environment.libraries.items():
        version = stated if stated and set(stated) <= EXACT else None
        known = environment.ecosystem is not None
        yield Component(
            name=name,
            version=version or stated or None,
            type=ComponentType.LIBRARY,
            bom_ref=f"{within} library {name}",
            purl=PackageURL(environment.ecosystem, None, name, version) if known else None,
        )


def _image(image: Image, within: str) -> Component:
    """A container image, as a package URL of the type `oci` where its digest is known."""
    plain, _, inside = image.address.partition("@")
    head, _, last = plain.rpartition("/")
    name, _, tag = last.partition(":")
    digest = image.digest or inside or None
    place = f"{head}/{name}" if head else name
    url = PackageURL("oci", None, name.lower(), digest, {"repository_url": place.lower()}) if digest else None
    hashed = digest is not None and digest.startswith(DIGEST) and len(digest) == len(DIGEST) + 64
    return Component(
        name=place or image.address,
        version=tag or digest,
        type=ComponentType.CONTAINER,
        bom_ref=f"{within} image {quote(image.address, safe='/:@')}",
        purl=url,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest.removeprefix(DIGEST))]
        if digest and hashed
        else [],
    )
