"""What backends say against CycloneDX's own schema, in both versions that are written."""

import json

import pytest
from cyclonedx.model import ExternalReference, ExternalReferenceType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component
from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
from cyclonedx.output.json import JsonV1Dot6, JsonV1Dot7
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.graph.billing import address, hashes, is_expression, licence
from tests.bills import validator

ADDRESSES = {
    "git@github.com:org/repo.git": "ssh://git@github.com/org/repo.git",
    "git@host:22/repo.git": "ssh://git@host/22/repo.git",
    "ssh://git@host:org/repo.git": "ssh://git@host/org/repo.git",
    "ssh://git@host:2222/org/repo.git": "ssh://git@host:2222/org/repo.git",
    "git+https://host/org/repo.git#main": "git+https://host/org/repo.git#main",
    "https://user:word@host/x": "https://user:word@host/x",
    "https://[2001:db8::1]:8080/x": None,
    "ssh://git@[::1]:22/repo": None,
    "git@[::1]:org/repo.git": None,
    "http://host:port/": None,
    "file:/mnt/models/m": "file:/mnt/models/m",
    "file:///C:/models/m": "file:///C:/models/m",
    "C:\\models\\a b\\m": "file:///C:/models/a%20b/m",
    "D:/models/m": "file:///D:/models/m",
    "\\\\server\\share\\m": "file://server/share/m",
    "/mnt/models/m": "/mnt/models/m",
    "mlruns/1/artifacts": "mlruns/1/artifacts",
    "dbfs:/databricks/mlflow/1": "dbfs:/databricks/mlflow/1",
    "runs:/0123abc/model": "runs:/0123abc/model",
    "models:/scorer@champion": "models:/scorer@champion",
    "models:/m-0123456789abcdef": "models:/m-0123456789abcdef",
    "mlflow-artifacts:/1/2/artifacts": "mlflow-artifacts:/1/2/artifacts",
    "s3://bucket_name/a b[1]{2}": "s3://bucket_name/a%20b%5B1%5D%7B2%7D",
    "gs://bucket/größe": "gs://bucket/gr%C3%B6%C3%9Fe",
    "https://host/x#a#b": "https://host/x#a%23b",
    "100% of it": "100%25%20of%20it",
    "https://host/a%20b": "https://host/a%20b",
    "my model:3/x": "./my%20model:3/x",
    "1a:b": "./1a:b",
    "": None,
    "https://host/\x00": None,
    "https://host/\ud800": None,
}


def refused(uri: str) -> list[str]:
    """By which versions of the schema an address is refused."""
    reference = ExternalReference(type=ExternalReferenceType.VCS, url=XsUri(uri))
    bom = Bom(components=[Component(name="x", external_references=[reference])])
    written = [
        (JsonV1Dot6(bom).output_as_string(), validator("1.6")),
        (JsonV1Dot7(bom).output_as_string(), validator("1.7")),
    ]
    assert all(
        uri in json.loads(text)["components"][0]["externalReferences"][0]["url"] for text, _ in written
    )
    return [str(problem) for text, schema in written if (problem := schema.validate_str(text))]


@pytest.mark.parametrize("said", ADDRESSES)
def test_an_address_is_what_both_versions_take(said: str) -> None:
    found = address(said)
    assert found == ADDRESSES[said]
    assert found is None or refused(found) == []


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="aZ0:/@?#[]%\\ .-é_~", max_size=24))
def test_whatever_becomes_an_address_is_valid(said: str) -> None:
    found = address(said)
    assert found is None or refused(found) == []


@pytest.mark.parametrize(
    "text",
    [
        "MIT OR Apache-2.0", "(MIT OR Apache-2.0) AND LicenseRef-ours", "GPL-2.0-only WITH Classpath-exception-2.0",
        "LicenseRef-ours", "Apache-2.0+", "MIT OR OpenMDW-1.0", "DocumentRef-x:LicenseRef-y AND ((MIT) OR ISC)",
    ],
)  # fmt: skip
def test_an_expression_stays_as_it_was_written(text: str) -> None:
    found = licence(text)
    assert isinstance(found, LicenseExpression)
    assert found.value == text


@pytest.mark.parametrize(
    "text",
    ["Our Own Licence 2", "llama3.1", "MIT/Apache-2.0", "MIT, Apache-2.0", "Apache-2.0 AND (MIT", "MIT AND", "OR MIT",
     "MIT AND OR ISC", "C++", "(MIT) (ISC) OR X", "MIT or ISC", "NONE"],
)  # fmt: skip
def test_what_is_no_expression_is_a_name(text: str) -> None:
    found = licence(text)
    assert isinstance(found, DisjunctiveLicense)
    assert (found.id, found.name) == (None, text)


def test_an_id_is_found_whatever_its_case_and_a_long_text_is_only_a_name() -> None:
    found = licence("apache-2.0")
    assert isinstance(found, DisjunctiveLicense)
    assert found.id == "Apache-2.0"
    assert not is_expression("(" * 1000 + "MIT" + ")" * 1000 + " OR ISC")


@pytest.mark.parametrize(
    ("digest", "expected"),
    [
        ("sha256:" + "ab" * 32, ("SHA-256", "ab" * 32)),
        ("SHA-256:" + "AB" * 32, ("SHA-256", "ab" * 32)),
        ("ab" * 32, ("SHA-256", "ab" * 32)),
        ("sha512:" + "ab" * 64, ("SHA-512", "ab" * 64)),
        ("blake3:" + "ab" * 32, ("BLAKE3", "ab" * 32)),
        ("sha3-256:" + "ab" * 32, ("SHA3-256", "ab" * 32)),
        ("sha1:" + "ab" * 20, ("SHA-1", "ab" * 20)),
        ("md5:0x" + "ab" * 16, ("MD5", "ab" * 16)),
        ("git:" + "ab" * 20, None),
        ("gitblob:" + "ab" * 32, None),
        ("ab" * 20, None),
        ("ab" * 16, None),
        ("etag:" + "ab" * 16, None),
        ("sha256:" + "ab" * 20, None),
        ("md5:" + "ab" * 32, None),
        ("sha256:" + "xy" * 32, None),
        ("", None),
        (None, None),
    ],
)
def test_the_algorithm_is_the_one_that_is_named(digest: str | None, expected: tuple[str, str] | None) -> None:
    assert [(one.alg.value, one.content) for one in hashes(digest)] == ([expected] if expected else [])
