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
    "long hosts in other letters": "<http://" + "ü" * 50 + ".example> ",
    "long paths in other letters": "<http://a.example/" + "ü" * 200 + "> ",
    "definitions in other letters": "[a]: http://a.example/" + "ü" * 200 + "\n",
    "one address": "[a](http://" + "ü" * 39_000 + ")",
    "pictures that never close": "![a](",
    "rules": "---\n",
    "headings": "# a\n",
}
"""Markdown that is repeated up to the size. Each is harmless in a few lines."""
