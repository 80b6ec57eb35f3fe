"""A rule of retention in sentences, one for each thing that it does."""

import re

from federation.retention.rules import RetentionRule, RuleWord, read_condition

_UNITS = {"m": "minute", "h": "hour", "d": "day", "y": "year"}
_BOUND = re.compile(r"(\d+)([mhdy])$")
_KINDS = {"team": "of team", "registry": "in registry"}


def about(on: str) -> str:
    """The versions that a rule is on."""
    kind, _, value = on.partition(":")
    if on == "*":
        return "every version"
    if kind == "tag":
        return f"every version with the tag {_tag(value)}"
    return f"every version {_KINDS[kind]} {value}" if kind in _KINDS else f"every version of {on}"


def says(rule: RetentionRule) -> list[str]:
    """What it does to a version, and when."""
    doings = (("archives", rule.archive), ("deletes", rule.delete), *(("keeps", text) for text in rule.hold))
    return [f"{does} a version when {_told(text)}" for does, text in doings if text]


def _told(text: str) -> str:
    *first, last = map(_clause, read_condition(text).words)
    return f"{', '.join(first)} and {last}" if first else last


def _clause(word: RuleWord) -> str:
    """What it says of a version, which is called "it"."""
    no = word.negated
    span = _span(word)
    match word.kind:
        case "stage":
            return f"its stage is {'not ' if no else ''}{word.value}"
        case "tag":
            return f"it {'does not have' if no else 'has'} the tag {_tag(word.value)}"
        case "promoted":
            return "it has never been in production" if no else "it has been in production"
        case "age":
            return f"it has {'not ' if no else ''}had its stage for {span}"
        case "created":
            return f"it was {'not ' if no else ''}made {span} ago"
        case "replaced" if span:
            return f"it {'did not leave' if no else 'left'} production {span} ago"
        case "replaced":
            return (
                "it is in production or never was" if no else "it has been in production and is there no more"
            )
        case _:
            whose = "no other version" if no else "another version"
            return f"{whose} of its model {'has been' if span else 'is'} in production{f' for {span}' if span else ''}"


def _span(word: RuleWord) -> str:
    found = _BOUND.search(word.text) if word.bound is not None else None
    if found is None:
        return ""
    count, unit = int(found[1]), _UNITS[found[2]]
    return f"{'more' if word.sign == '>' else 'less'} than {count} {unit}{'' if count == 1 else 's'}"


def _tag(text: str) -> str:
    key, equals, value = text.partition("=")
    return f"{key} = {value}" if equals else key
