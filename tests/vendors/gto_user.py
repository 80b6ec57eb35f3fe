"""Runs in GTO's own environment: does what it is told with GTO's own functions, says what GTO makes of a repository.

One JSON object a line: `{"at": SECONDS, "call": NAME, "with": {…}}`, or `{"show": true}`.
"""

import contextlib
import io
import json
import sys
from typing import Any

import gto.api
import pygit2
from gto.constants import VersionSort
from gto.registry import GitRegistry
from scmrepo.git.backend.pygit2 import Pygit2Backend


def state(repository: str) -> dict[str, Any]:
    """What `gto show` prints, by the functions that it uses: all artifacts, their versions, and who has a stage."""
    found = {}
    with GitRegistry.from_url(repository) as registry:
        artifacts = registry.get_artifacts()
    for name, artifact in artifacts.items():
        stages = artifact.get_vstages(sort=VersionSort.Timestamp)
        versions = {one.version: one.is_active for one in artifact.versions if one.registrations}
        bare = {
            one.version
            for one in artifact.versions
            if not (one.registrations or one.deregistrations) and one.stages
        }
        found[name] = {
            "active": artifact.is_active,
            "stages": {stage: who[0].version for stage, who in stages.items() if who},
            "versions": versions,
            "commits": sorted(bare),
        }
    return found


def main(repository: str) -> None:
    """Until the input ends."""
    for line in sys.stdin:
        asked = json.loads(line)
        if asked.get("show"):
            answer: object = state(repository)
        else:
            at = asked["at"]
            # GTO takes no time from anybody; its library asks this for who makes a tag, and when.
            Pygit2Backend.committer = pygit2.Signature("Ada", "ada@example.com", at, 0)
            try:
                with contextlib.redirect_stdout(io.StringIO()):
                    getattr(gto.api, asked["call"])(repository, **asked["with"])
                answer = None
            except Exception as error:
                answer = f"{type(error).__name__}: {error}"
        print(json.dumps(answer), flush=True)


main(sys.argv[1])
