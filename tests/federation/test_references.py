"""References: one spelling per name, every name has one, and every mistake says where it is."""

import random
import unicodedata
from urllib.parse import quote, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.references import (
    NAME_LIMIT,
    STAGES,
    Address,
    Reference,
    ReferenceSyntaxError,
    Target,
    is_registry_name,
    parse,
    parse_depends_on,
    parse_stated,
    url,
)

AWKWARD = "%:@/.,\\?#&=+ ~a1\t\n\x00\x01\x1b\x7f\x80\x85\x9f\u00a0é\u0301\u200e\u202e\u2028\ufeff👩‍🚀🇩🇪"
names = st.one_of(
    st.text(st.sampled_from(AWKWARD), min_size=1, max_size=30),
    st.text(min_size=1, max_size=60),
    st.sampled_from([".", "..", "/", "//", "./..", "../a", "a/", "%2F", "%", "stage:production"]),
    st.just("a" * NAME_LIMIT),
).filter(lambda name: not any(unicodedata.category(c) == "Cs" for c in name))
registries = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,62}", fullmatch=True)
references = st.one_of(
    st.builds(Reference, registries, names),
    st.builds(lambda r, m, v: Reference(r, m, version=v), registries, names, names),
    st.builds(lambda r, m, a: Reference(r, m, alias=a), registries, names, names),
    st.builds(lambda r, m, s: Reference(r, m, stage=s), registries, names, st.sampled_from(STAGES)),
)


def assert_survives(reference: Reference) -> None:
    """The round trip text → URL → text, past what clients, proxies and servers do to a path."""
    text = str(reference)
    assert parse(text) == reference
    path = url(reference)
    assert path.isascii()
    assert not set(path) & set(' ?#\\"<>')
    assert "%2f" not in path.lower()
    assert all(segment not in ("", ".", "..") for segment in path.split("/"))
    assert unquote(urlsplit(f"http://localhost/api/v1/versions/{path}").path) == f"/api/v1/versions/{text}"
    assert not any(unicodedata.category(character) == "Cc" for character in text)


@given(references)
def test_every_reference_prints_one_text_that_reads_back(reference: Reference) -> None:
    assert_survives(reference)


def test_ten_thousand_hostile_names_survive_the_round_trip() -> None:
    rng = random.Random(20260503)
    alphabet = AWKWARD + "".join(map(chr, range(0x20))) + "日本עב"
    for case in range(10_000):
        length = 255 if case % 10 == 0 else rng.randint(1, 40)
        model = "".join(rng.choices(alphabet, k=length))
        assert_survives(Reference("fraud", model, version=str(case)))
        assert_survives(Reference("fraud", model[::-1], alias=model[: length // 2 + 1]))


@given(references, st.data())
def test_needless_encoding_is_accepted_and_printed_plain(reference: Reference, data: st.DataObject) -> None:
    text = str(reference)
    start, end = len(reference.registry), text.find("@stage:") % (len(text) + 1)
    plain = [i for i in range(start, end) if text[i].isalnum() and "%" not in text[i - 2 : i]]
    if plain:
        i = data.draw(st.sampled_from(plain))
        encoded = "".join(f"%{byte:02x}" for byte in text[i].encode())
        assert parse(text[:i] + encoded + text[i + 1 :]) == reference


@given(st.one_of(st.text(max_size=60), st.text(st.sampled_from("fraud/:@%2Fe.stage,"), max_size=40)))
def test_any_text_is_read_or_refused_with_a_position(text: str) -> None:
    try:
        reference = parse(text)
    except ReferenceSyntaxError as error:
        assert 0 <= error.position <= len(text)
        assert error.expected in str(error)
        assert str(error).isprintable()
    else:
        assert parse(str(reference)) == reference


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a/b", "a/b"),
        ("/a", "%2Fa"),
        ("a/", "a%2F"),
        ("a//b", "a%2F%2Fb"),
        ("a/../b", "a/%2E%2E/b"),
        (".", "%2E"),
        ("...", "..."),
        ("a.b/.c", "a.b/.c"),
        ("50%", "50%25"),
        ("a:b@c", "a%3Ab%40c"),
        ("a\nb\x7f\x85", "a%0Ab%7F%C2%85"),
        ("模型 👍", "模型 👍"),
    ],
)
def test_the_spelling_of_a_name(name: str, text: str) -> None:
    assert str(Reference("fraud", name)) == f"fraud/{text}"


def test_the_four_shapes() -> None:
    assert parse("fraud/scorer") == Reference("fraud", "scorer")
    assert parse("fraud/scorer:3") == Reference("fraud", "scorer", version="3")
    assert parse("fraud/scorer@champion") == Reference("fraud", "scorer", alias="champion")
    assert parse("fraud/scorer@stage:production") == Reference("fraud", "scorer", stage="production")
    assert parse("fraud/scorer@stage%3Aproduction") == Reference("fraud", "scorer", alias="stage:production")


def test_a_url_carries_the_reference_encoded_once_more() -> None:
    assert url(Reference("fraud", "a b:c/d", version="1")) == "fraud/a%20b%253Ac/d:1"


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 0),
        ("fraud", 5),
        ("Fraud/x", 0),
        ("/x", 0),
        ("fraud/", 6),
        ("fraud/x:", 8),
        ("fraud/x@", 8),
        ("fraud/x:1:2", 9),
        ("fraud/x@a@b", 9),
        ("fraud/x@stage:prod", 14),
        ("fraud/x\n", 7),
        ("fraud/x\x85", 7),
        ("fraud/\ud800", 6),
        ("fraud/%", 6),
        ("fraud/a%2", 7),
        ("fraud/a%zz", 7),
        ("fraud/%ff", 6),
        ("fraud/%ed%a0%80", 6),
        ("fraud//x", 6),
        ("fraud/x/", 7),
        ("fraud/a//b", 7),
        ("fraud/../x", 6),
        ("fraud/x/.", 8),
        ("fraud/" + "x" * 10_000, 6),
    ],
)
def test_a_mistake_is_refused_where_it_is(text: str, position: int) -> None:
    with pytest.raises(ReferenceSyntaxError) as refused:
        parse(text)
    assert refused.value.position == position


@pytest.mark.parametrize(
    "parts",
    [
        {"model": ""},
        {"model": "\ud800"},
        {"model": "x" * 1001},
        {"registry": "No"},
        {"version": ""},
        {"alias": ""},
    ],
)
def test_parts_that_no_reference_can_hold_are_refused(parts: dict[str, str]) -> None:
    with pytest.raises(ReferenceSyntaxError):
        Reference(**{"registry": "fraud", "model": "x", **parts})


def test_one_selector_at_most_and_only_known_stages() -> None:
    with pytest.raises(ReferenceSyntaxError, match="only one"):
        Reference("fraud", "x", version="1", alias="a")
    with pytest.raises(ReferenceSyntaxError, match="archived"):
        Reference("fraud", "x", stage="Production")


def test_a_default_registry_fills_in_a_missing_one() -> None:
    assert parse("scorer:3", default_registry="fraud") == Reference("fraud", "scorer", version="3")
    assert parse("scorer:a/b", default_registry="fraud") == Reference("fraud", "scorer", version="a/b")
    assert parse("other/scorer", default_registry="fraud") == Reference("other", "scorer")
    assert parse("a%2Fb", default_registry="fraud") == Reference("fraud", "a/b")


def test_registry_names() -> None:
    assert all(map(is_registry_name, ["a", "0", "eu-west.1_x", "a" * 63]))
    assert not any(map(is_registry_name, ["", "-a", ".a", "A", "a" * 64, "a/b", "a\n", "é", "٣"]))


def test_depends_on_reads_every_documented_spelling() -> None:
    found = parse_depends_on(
        "feature-encoder:3,click-classifier:7 nlp/tokenizer@champion\n nlp/vocab@stage:production,, bare "
        "models:/encoder/3 models:/encoder@blue models:/encoder/Production models:/encoder a%2Cb%20c:1",
        "fraud",
    )
    assert [str(reference) for reference in found.references] == [
        "fraud/feature-encoder:3",
        "fraud/click-classifier:7",
        "nlp/tokenizer@champion",
        "nlp/vocab@stage:production",
        "fraud/bare",
        "fraud/encoder:3",
        "fraud/encoder@blue",
        "fraud/encoder@stage:production",
        "fraud/encoder",
        "fraud/a,b c:1",
    ]
    assert found.errors == ()


def test_a_bad_item_does_not_hide_the_good_ones() -> None:
    text = "good:1, bad:%zz models:/x/Live [good:1 good:1"
    found = parse_depends_on(text, "fraud")
    assert found.references == (Reference("fraud", "good", version="1"),)
    assert [(error.text, error.text[error.position :]) for error in found.errors] == [
        ("bad:%zz", "%zz"),
        ("models:/x/Live", "Live"),
        ("[good:1", "[good:1"),
    ]


LOGGED = "models:/m-0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("models:/enc/latest", ["fraud/enc"]),
        ("models:/enc/Latest/", ["fraud/enc"]),
        ("models:/enc/1/", ["fraud/enc:1"]),
        ("models:/100%/1", ["fraud/100%25:1"]),
        ("models:/weird@name/1", ["fraud/weird%40name:1"]),
        ("FRAUD/enc:1 Nlp/enc@blue", ["fraud/enc:1", "nlp/enc@blue"]),
        ('["nlp/enc:1", "fraud model:2"]', ["nlp/enc:1", "fraud/fraud model:2"]),
        ("['nlp/enc:1', 'b:2']", ["nlp/enc:1", "fraud/b:2"]),
        ('"nlp/enc:1"', ["nlp/enc:1"]),
        ('"nlp/enc:1, b:2"', ["nlp/enc:1", "fraud/b:2"]),
        ('"a model:1", b:2', ["fraud/a model:1", "fraud/b:2"]),
        ("O'Brien:1 it's:2", ["fraud/O'Brien:1", "fraud/it's:2"]),
        (f"{LOGGED}/ runs:/0a1b/model", [LOGGED, "runs:/0a1b/model"]),
        (
            "arn:aws:sagemaker:eu-west-1:1:model-package/x/2",
            ["arn:aws:sagemaker:eu-west-1:1:model-package/x/2"],
        ),
        ("[]", []),
        ('["", " "]', []),
    ],
)
def test_depends_on_reads_what_people_and_tools_write(text: str, read: list[str]) -> None:
    found = parse_depends_on(text, "fraud")
    assert ([str(target) for target in found.references], found.errors) == (read, ())


@pytest.mark.parametrize(
    "text", ['{"model": "enc", "version": 1}', '["enc:1"', "[3]", '"', "models:/a/b/c", "a\x00b"]
)
def test_what_nobody_can_read_is_an_error_and_no_name(text: str) -> None:
    found = parse_depends_on(text, "fraud")
    assert (found.references, len(found.errors)) == ((), 1)


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("Llama 3 8B", (Reference("fraud", "Llama 3 8B"),)),
        ("a,b", (Reference("fraud", "a,b"),)),
        ("a%2Cb%40c:3", (Reference("fraud", "a,b@c", version="3"),)),
        ("100% sure", (Reference("fraud", "100% sure"),)),
        ("fraud/base:3", (Reference("fraud", "base", version="3"),)),
        ("Fraud/base:3", (Reference("fraud", "base", version="3"),)),
        (
            "nlp/base@blue",
            (Reference("fraud", "nlp/base", alias="blue"), Reference("nlp", "base", alias="blue")),
        ),
        ("Qwen/Qwen2.5:3", (Reference("fraud", "Qwen/Qwen2.5", version="3"),)),
        ("models:/a b/3", (Reference("fraud", "a b", version="3"),)),
        ("arn:aws:x/2", (Address("arn:aws:x/2"),)),
    ],
)
def test_a_stated_reference_is_one_whatever_signs_it_holds(text: str, means: tuple[Target, ...]) -> None:
    assert parse_stated(text, "fraud") == means


@given(references)
def test_the_last_reading_of_a_stated_reference_is_the_reference(reference: Reference) -> None:
    readings = parse_stated(str(reference), "fraud")
    assert readings[-1] == reference
    assert [one.registry for one in readings[:-1] if isinstance(one, Reference)] == ["fraud"] * len(
        readings[:-1]
    )


@given(references.map(str) | st.text(min_size=1, max_size=40))
def test_what_is_kept_of_a_stated_reference_has_the_same_readings(text: str) -> None:
    try:
        readings = parse_stated(text, "fraud")
    except ReferenceSyntaxError:
        return
    if isinstance(readings[0], Reference):
        assert parse_stated(str(readings[-1]), readings[0].registry) == readings


@given(st.lists(references, max_size=5))
def test_depends_on_reads_back_what_was_written(wanted: list[Reference]) -> None:
    written = ",".join(
        "".join(quote(c) if c == "," or c.isspace() else c for c in str(reference)) for reference in wanted
    )
    found = parse_depends_on(written, "fraud")
    assert list(found.references) == list(dict.fromkeys(wanted))
    assert found.errors == ()
