"""The API describes itself: every parameter, property and answer, with one shape for whatever goes wrong."""

import re

import msgspec

from federation.references import parse
from gateway import app, docs
from gateway.api.bulk_out import BulkIn
from gateway.described import classes_in, glossary
from gateway.examples import BODIES


def test_everything_is_described() -> None:
    schema = docs.as_written(app.application(1024).openapi_schema.to_schema())
    shapes = schema["components"]["schemas"]
    operations = [
        (f"{method} {path}", one)
        for path, methods in schema["paths"].items()
        for method, one in methods.items()
        if isinstance(one, dict)
    ]
    bare = [
        f"{name}: {parameter['name']}"
        for name, one in operations
        for parameter in one.get("parameters", [])
        if not parameter.get("description")
    ]
    bare += [
        f"{name}.{field}"
        for name, shape in shapes.items()
        for field, one in shape.get("properties", {}).items()
        if not one.get("description") and "$ref" not in one
    ]
    assert bare == []
    assert [name for name, one in operations if not one.get("tags") or not one.get("description")] == []
    answers = [
        (name, code, answer)
        for name, one in operations
        if "/api/" in name
        for code, answer in one["responses"].items()
    ]
    problem = {"schema": {"$ref": "#/components/schemas/Problem"}}
    assert all(
        answer["content"] == {"application/problem+json": problem}
        for _, code, answer in answers
        if code == "default" or code >= "400"
    )
    assert [
        (name, code)
        for name, code, answer in answers
        if any("schema" not in one for one in answer.get("content", {}).values())
    ] == []
    assert set(schema["components"]["securitySchemes"]) == {"token", "session"}
    assert [one["name"] for one in schema["tags"] if not one.get("description")] == []
    assert [text for text in glossary().values() if "; of " in text] == [], "one meaning at a time"
    assert "examples" not in str(sorted(shapes.items())), "none that was made up"
    edge = schema["paths"]["/api/v1/dependencies/{ref}"]["delete"]["parameters"][0]
    assert "number" in edge["description"]
    assert "example" not in edge
    asked = schema["paths"]["/api/v1/search"]["get"]["parameters"]
    assert {"fraud stage:production"} <= {one.get("example") for one in asked}


def test_each_body_has_an_example_that_can_be_sent() -> None:
    schema = docs.as_written(app.application(1024).openapi_schema.to_schema())
    classes = classes_in(iter(docs.answered()))
    seen = set()
    for methods in schema["paths"].values():
        for operation in methods.values():
            body = operation.get("requestBody", {}) if isinstance(operation, dict) else {}
            for media, content in body.get("content", {}).items():
                assert media == "application/json"
                named = re.search(r"schemas/(\w+)", str(content["schema"]))
                assert named is not None
                seen.add(named[1])
                decoded: object = msgspec.convert(content["example"], classes[named[1]], strict=True)
                if isinstance(decoded, BulkIn):
                    assert all(map(parse, decoded.refs))
    assert seen == set(BODIES), "and there are no others"


def test_a_bound_of_a_parameter_stands_where_the_framework_holds_it() -> None:
    """Litestar 2.25.0 documents one that stands inside `| None`, and lets everything through: see `findings/`."""
    schema = app.application(1024).openapi_schema.to_schema()
    bounds = {
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "minLength",
        "maxLength",
        "pattern",
    }
    parameters = [
        (f"{method} {path}: {parameter['name']}", parameter["schema"])
        for path, methods in schema["paths"].items()
        for method, one in methods.items()
        if isinstance(one, dict)
        for parameter in one.get("parameters", [])
    ]
    assert any(bounds & shape.keys() for _, shape in parameters)
    assert [
        name for name, shape in parameters if any(bounds & part.keys() for part in shape.get("oneOf", ()))
    ] == []
