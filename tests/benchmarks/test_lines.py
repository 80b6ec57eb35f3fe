"""What counts as a line of code."""

from tests.benchmarks.lines import code_lines


def test_words_about_the_code_do_not_count() -> None:
    text = '''"""Of the module,
on two lines."""

LIMIT = 1  # why
"""Of a name."""
# alone


def limited():
    """Of a function."""
    return min(
        LIMIT,
        2,
    )
'''
    assert code_lines(text) == 6
    assert code_lines("") == 0
