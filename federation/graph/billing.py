"""What backends say, as a bill of materials may hold it: addresses, licences and digests. What does not fit is left to
a property of the component, as it was said; nothing is guessed.
"""

import re
from collections.abc import Mapping
from urllib.parse import quote

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.license import DisjunctiveLicense, License, LicenseExpression
from cyclonedx.spdx import fixup_id

LONGEST = 2000
"""Characters of an address or a licence that are looked at."""
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_SCP = re.compile(r"(?P<host>[^\s/:@\[\]\\]+@[^\s/:@\[\]\\]+):(?!//)(?P<path>[^\s].*)")
_SCP_WITH_SCHEME = re.compile(r"(?:git\+)?ssh://(?P<host>[^\s/:@]+@[^\s/:@\[\]]+):(?P<path>(?!\d+(?:/|$)).+)")
_HOST_IN_BRACKETS = re.compile(r"(?:[^/?#]*//)?(?:[^/?#@]*@)?\[")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_PLAIN = "A-Za-z0-9._~!$&'()*+,;=%-"
_REFERENCE = re.compile(
    rf"(?:[A-Za-z][A-Za-z0-9+.-]*:)?+(?://(?:[{_PLAIN}:]*@)?[{_PLAIN}]*(?::\d*)?(?=[/?#]|$)|(?!//))"
    rf"[{_PLAIN}:@/]*(?:\?[{_PLAIN}:@/?]*)?(?:#[{_PLAIN}:@/?]*)?"
)
"""An address as the schema of CycloneDX takes it: RFC 3986 in ASCII, but for hosts in brackets, which its validator
refuses."""
_ID = r"(?:DocumentRef-[A-Za-z0-9.-]+:)?[A-Za-z0-9.-]+\+?"
_TERM = rf"{_ID}(?:\s+WITH\s+[A-Za-z0-9.-]+)?"
_CHAIN = re.compile(rf"\s*{_TERM}(?:\s+(?:AND|OR)\s+{_TERM})*\s*")
_GROUP = re.compile(rf"(?<![A-Za-z0-9.+-])\(({_CHAIN.pattern})\)(?![A-Za-z0-9.+(-])")
_OPERATOR = re.compile(r"\s(?:AND|OR|WITH)\s")
_OWN = re.compile(r"(?:DocumentRef-[A-Za-z0-9.-]+:)?LicenseRef-[A-Za-z0-9.-]+")
_ALGORITHMS: Mapping[str, HashAlgorithm] = {one.value.lower().replace("-", ""): one for one in HashAlgorithm}
_HEX = re.compile(r"[0-9a-f]+")
_SIZES: Mapping[HashAlgorithm, int] = {HashAlgorithm.MD5: 32, HashAlgorithm.SHA_1: 40}


def address(text: str) -> str | None:
    """An address as a URI reference; None where there is none that says the same.

    `git@host:org/repo` is that repository over SSH; a path of Windows is a file; what no URI holds is percent-encoded.
    """
    if not text or len(text) > LONGEST or not text.isprintable() or _HOST_IN_BRACKETS.match(text):
        return None
    if scp := _SCP_WITH_SCHEME.fullmatch(text) or _SCP.fullmatch(text):
        text = f"ssh://{scp['host']}/{scp['path'].lstrip('/')}"
    elif _DRIVE.match(text):
        text = "file:///" + text.replace("\\", "/")
    elif text.startswith("\\\\"):
        text = "file:" + text.replace("\\", "/")
    before, mark, after = _encoded(text).partition("#")
    found = before + mark + after.replace("#", "%23")
    if ":" in re.split("[/?#]", found, maxsplit=1)[0] and not _SCHEME.match(found):
        found = f"./{found}"  # no scheme, though it looks like one
    return found if _REFERENCE.fullmatch(found) else None


def _encoded(text: str) -> str:
    """With what no URI holds percent-encoded."""
    return re.sub("%(?![0-9A-Fa-f]{2})", "%25", quote(text, safe=":/?#@!$&'()*+,;=%~"))


def licence(text: str) -> License:
    """A licence by its SPDX id, as an expression of such ids, or else by the name that it was given."""
    known = fixup_id(text)
    if known:
        return DisjunctiveLicense(id=known)
    return LicenseExpression(text) if is_expression(text) else DisjunctiveLicense(name=text)


def is_expression(text: str) -> bool:
    """Whether a text is an SPDX licence expression, by its grammar alone: its ids may be of a newer list, or ours."""
    if len(text) > LONGEST or not (_OPERATOR.search(text) or _OWN.fullmatch(text) or text.endswith("+")):
        return False
    before, left = "", text
    while left != before:
        before, left = left, _GROUP.sub("X", left)
    return _CHAIN.fullmatch(left) is not None


def hashes(digest: str | None) -> list[HashType]:
    """A digest with the algorithm that it names. Where it names none, one of 64 digits is a SHA-256, and a shorter one
    may be a git blob's id or an upload's tag, which are no hash of the file.
    """
    name, colon, value = (digest or "").lower().rpartition(":")
    value = value.removeprefix("0x")
    found = _ALGORITHMS.get(re.sub("[-_]", "", name)) if colon else HashAlgorithm.SHA_256
    if found is None or not _HEX.fullmatch(value) or len(value) != _digits(found):
        return []
    return [HashType(alg=found, content=value)]


def _digits(algorithm: HashAlgorithm) -> int:
    """How many hexadecimal digits a hash has."""
    size = re.search(r"(\d{3})$", algorithm.value)
    return _SIZES.get(algorithm) or (int(size[1]) // 4 if size else 64)
