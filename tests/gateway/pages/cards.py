"""Cards that are written to be slow."""

SHAPES = {
    "a table without end": "a|b\n-|-\n" + "x\n",
    "brackets that never close": "[",
    "marks within marks": "*a **b _c ",
    "quotes within quotes": ">" * 50 + "a\na\n",
    "a list in each line": "- a\n",
    "definitions": "[a]: b\n",
    "addresses": "<http://a.example> ",
    "addresses in other letters": "<http://ü.example> ",
    "pictures that never close": "![a](",
    "rules": "---\n",
    "headings": "# a\n",
}
"""Markdown that is repeated up to the size. Each is harmless in a few lines."""
