"""The words of the graph: what a node is, what an edge says, how grave a hit is.

Edges point from the one that needs to the one that is needed. Impact walks against them, dependencies walk
along them.
"""

from enum import IntEnum
from typing import Literal

Spec = Literal["1.6", "1.7"]
"""The versions of CycloneDX that a bill of materials can be written in."""


class NodeKind(IntEnum):
    """What a node stands for. 0 is an unused row of the arrays."""

    VERSION = 1
    MODEL = 2
    """A whole model: a selector that means its most recently created live version."""
    ALIAS = 3
    STAGE = 4
    DIGEST = 5
    """An artifact digest: ties the versions that carry the same bytes."""
    DATASET = 6
    COMMIT = 7
    RUN = 8
    ENDPOINT = 9


CONNECTORS = (NodeKind.MODEL, NodeKind.ALIAS, NodeKind.STAGE, NodeKind.DIGEST)
"""Arriving at one of these costs no hop: they stand between two versions, they are not a stop."""

SELECTORS = (NodeKind.MODEL, NodeKind.ALIAS, NodeKind.STAGE)


class EdgeKind(IntEnum):
    """What an edge says."""

    DEPENDS_ON = 1
    DERIVED_FROM = 2
    TRAINED_ON = 3
    PRODUCED_BY = 4
    SERVES = 5
    SAME_ARTIFACT = 6
    MEANS = 7
    """From a selector to the version it means now. Ours, never reported as a dependency."""


class Stage(IntEnum):
    """The normalised stage as a byte."""

    NONE = 0
    STAGING = 1
    PRODUCTION = 2
    ARCHIVED = 3


class Severity(IntEnum):
    """How grave it is that something is hit: live endpoint > production > staging > other."""

    OTHER = 0
    STAGING = 1
    PRODUCTION = 2
    LIVE = 3


def kind_word(kind: int) -> str:
    """The name of an edge kind as the API prints it."""
    return EdgeKind(kind).name.lower()
