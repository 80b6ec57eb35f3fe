"""How many lines of code the packages have, beside the former build's: neither blank nor comment nor docstring, and no
emulators.
"""

import ast
import tokenize
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

from tests.benchmarks import Figure, benchmark
from tests.benchmarks.builds import FORMER, Build, builds

PACKAGES = ("adapters", "federation", "gateway")
_NOTHING = (
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER,
)  # fmt: skip


def code_lines(text: str) -> int:
    """The lines of Python that say something to a machine."""
    said, meant = set[int](), set[int]()
    for token in tokenize.generate_tokens(StringIO(text).readline):
        if token.type not in _NOTHING:
            meant |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        match node:  # a docstring, of whatever it stands behind
            case ast.Expr(value=ast.Constant(value=str())):
                said |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(meant - said)


@benchmark(sample=1, full=len(PACKAGES), servers=True)
def lines_beside_former(size: int, folder: Path) -> Iterator[Figure]:
    """Of the first `size` packages."""

    def counted(build: Build, package: str) -> int:
        files = (build.root / package).rglob("*.py")
        own = (
            file for file in files if not {"emulator", "emulators"} & set(file.relative_to(build.root).parts)
        )
        return sum(code_lines(file.read_text()) for file in own)

    both = builds(folder)
    for package in PACKAGES[:size]:
        ours, theirs = (counted(build, package) for build in both)
        yield Figure(f"code lines of {package}", ours, "lines", comparison=(f"build {FORMER}", theirs))
