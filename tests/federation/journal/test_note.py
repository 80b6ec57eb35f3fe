"""Signed notes: the published vectors, and everything that must be refused."""

import stat
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.journal.note import (
    COSIGNATURE,
    NoteError,
    cosign,
    create_key_file,
    generate_key,
    load_key_file,
    parse_signing_key,
    sign_checkpoint,
)
from federation.journal.verify import (
    Checkpoint,
    Note,
    parse_checkpoint,
    parse_note,
    parse_verifier_key,
    verify_note,
)

# From the tests of golang.org/x/mod/sumdb/note.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_SECRET = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
GO_NOTE = """If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=
"""
# The example of C2SP signed-note.
FOO = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
FOO_NOTE = """This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
"""
# A checkpoint published by a public Certificate Transparency log, countersigned by a public witness.
ARCHE = "arche2025h1.staging.ct.transparency.dev+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f"
REMORA = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"
WITNESSED = """arche2025h1.staging.ct.transparency.dev
1432088532
U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=

— arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=
— witness1.smartit.nu/witness1 pIyCDwAAAABqEiEghIp82KWebrw7/oHQwlTAm3g2RKS4+eebl8eO0WH+/iEcxZ75W3u5hNI7TOQtmJbqmNWVuE0tgh0XwzdZsDsUAQ==
— remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==
"""  # noqa: E501

LOG = generate_key("waypost.example/journal")
WITNESS = generate_key("witness.example/w1", COSIGNATURE)
CHECKPOINT = Checkpoint("waypost.example/journal", 17, bytes(range(32)))


def signers(note: str | bytes, *keys: str) -> list[str]:
    data = note.encode() if isinstance(note, str) else note
    return [str(signed.key) for signed in verify_note(parse_note(data), map(parse_verifier_key, keys))]


@pytest.mark.parametrize("text", [PETER, ENOCH, FOO, ARCHE, REMORA])
def test_published_verifier_keys_are_read_and_written_alike(text: str) -> None:
    assert str(parse_verifier_key(text)) == text


def test_published_notes_verify() -> None:
    assert signers(GO_NOTE, PETER, ENOCH) == [PETER, ENOCH]
    assert signers(GO_NOTE, ENOCH) == [ENOCH]
    assert signers(GO_NOTE, FOO) == []
    assert signers(FOO_NOTE, FOO) == [FOO]


def test_a_published_signing_key_gives_the_published_signature() -> None:
    key = parse_signing_key(PETER_SECRET)
    assert str(key.verifier) == PETER
    assert key.secret() == PETER_SECRET
    note = parse_note(GO_NOTE.encode())
    assert key.sign(note.text.encode()) == note.signatures[0].signature


def test_a_published_countersigned_checkpoint_verifies() -> None:
    note = parse_note(WITNESSED.encode())
    log, witness = verify_note(note, [parse_verifier_key(ARCHE), parse_verifier_key(REMORA)])
    assert (str(log.key), log.time) == (ARCHE, None)
    assert (str(witness.key), witness.time) == (REMORA, 0x6A122120)
    assert parse_checkpoint(note.text).size == 1432088532
    with pytest.raises(NoteError, match="remora"):
        signers(WITNESSED.replace("1432088532", "1432088531"), REMORA)


def test_a_checkpoint_signed_and_countersigned_here_verifies_and_keeps_its_time() -> None:
    note = cosign(sign_checkpoint(CHECKPOINT, LOG), WITNESS, 1_700_000_000)
    parsed = parse_note(note)
    assert parse_checkpoint(parsed.text) == CHECKPOINT
    log, witness = verify_note(parsed, [LOG.verifier, WITNESS.verifier])
    assert (log.time, witness.time) == (None, 1_700_000_000)


def test_two_keys_sign_while_one_replaces_the_other() -> None:
    new = generate_key(LOG.verifier.name)
    note = sign_checkpoint(CHECKPOINT, LOG, new)
    assert signers(note, str(new.verifier)) == [str(new.verifier)]
    assert signers(note, str(LOG.verifier)) == [str(LOG.verifier)]


@given(st.integers(0, 10_000), st.integers(0, 7))
def test_no_flipped_bit_of_a_countersigned_checkpoint_goes_unnoticed(at: int, bit: int) -> None:
    note = bytearray(cosign(sign_checkpoint(CHECKPOINT, LOG), WITNESS, 1_700_000_000))
    note[at % len(note)] ^= 1 << bit
    try:
        found = verify_note(parse_note(bytes(note)), [LOG.verifier, WITNESS.verifier])
    except NoteError:
        return
    assert len(found) < 2


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"text\n",
        b"text\n\n",
        GO_NOTE.encode()[:-1],
        GO_NOTE.encode().replace(b"\n\n", b"\n"),
        GO_NOTE.encode().replace("—".encode(), b"-"),
        GO_NOTE.encode().replace(b" x08", b"  x08"),
        GO_NOTE.encode().replace(b"nAM=", b"nAN="),
        GO_NOTE.encode().replace(b"nAM=", b"nAM"),
        GO_NOTE.encode().replace(b"If", b"I\x01f"),
        GO_NOTE.encode().replace(b"If", b"I\xff"),
        GO_NOTE.encode() + b"x" * (1 << 20),
        b"text\n\n" + "— w AAAAAAAA\n".encode() * 65,
    ],
)
def test_a_malformed_note_is_refused(note: bytes) -> None:
    with pytest.raises(NoteError):
        parse_note(note)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "o\n1\n",
        "o\n01\n" + "A" * 43 + "=\n",
        "o\n-1\n" + "A" * 43 + "=\n",
        "o\n1\n" + "A" * 40 + "\n",
        "o\n1\n" + "A" * 43 + "=",
        "o\n1\n" + "A" * 43 + "=\n\n",
        "\n1\n" + "A" * 43 + "=\n",
        "o\n1٣\n" + "A" * 43 + "=\n",
    ],
)
def test_a_malformed_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(NoteError):
        parse_checkpoint(text)


def test_an_extension_line_is_kept() -> None:
    text = "o\n0\n" + "A" * 43 + "=\nmore\n"
    assert parse_checkpoint(text).extensions == ("more",)
    assert str(parse_checkpoint(text)) == text


@pytest.mark.parametrize(
    "key",
    [
        "",
        "a+b",
        PETER[:-1],
        PETER.replace("c74f20a3", "c74f20a4"),
        PETER.replace("Peter", "Pe ter"),
        PETER + "+",
    ],
)
def test_a_malformed_verifier_key_is_refused(key: str) -> None:
    with pytest.raises(NoteError):
        parse_verifier_key(key)


def test_a_key_never_vouches_for_another_log_or_in_another_role() -> None:
    with pytest.raises(NoteError, match="does not sign for"):
        sign_checkpoint(replace(CHECKPOINT, origin="other.example"), LOG)
    with pytest.raises(NoteError, match="does not sign for"):
        sign_checkpoint(replace(CHECKPOINT, origin=WITNESS.verifier.name), WITNESS)
    with pytest.raises(NoteError, match="no witness"):
        cosign(sign_checkpoint(CHECKPOINT, LOG), LOG, 1)
    with pytest.raises(NoteError):
        sign_checkpoint(replace(CHECKPOINT, extensions=("a\nb\n\nc",)), LOG)


def test_names_of_keys() -> None:
    for name in ("", "a b", "a+b", "a\u00a0b", "a\nb"):
        with pytest.raises(NoteError):
            generate_key(name)


def test_a_key_file_is_private_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "journal.key"
    create_key_file(path, LOG)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_key_file(path) == LOG
    with pytest.raises(FileExistsError):
        create_key_file(path, WITNESS)
    path.write_text(LOG.secret().replace(LOG.verifier.name, "evil.example"))
    with pytest.raises(NoteError, match=r"journal\.key"):
        load_key_file(path)


def test_no_message_and_no_repr_shows_a_secret() -> None:
    secret = LOG.secret()
    assert secret.split("+", 4)[4] not in repr(LOG)
    with pytest.raises(NoteError) as refused:
        parse_signing_key(secret[:-4])
    assert secret[-30:-4] not in str(refused.value)


def test_an_unsigned_note_has_no_signers() -> None:
    assert verify_note(Note("text\n", ()), [LOG.verifier]) == []
