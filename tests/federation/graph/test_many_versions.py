"""A question about a whole model costs as many statements whether it has few versions or many, and one about a version
that nothing is said of costs few.
"""

from pathlib import Path
from typing import Any

from sqlalchemy import event

from federation.access import EVERYTHING
from federation.graph.graph import Question
from federation.graph.subject import Action
from federation.references import Reference
from tests.federation.graph.estate import Estate


def statements(
    estate: Estate, model: str, action: Action, version: str | None = None
) -> tuple[int, list[tuple[str, bool, str]]]:
    """How many a question takes, when what is compiled and remembered is so, and who is affected."""
    seen: list[str] = []

    def trace(connection: Any, _: Any) -> None:
        connection.set_trace_callback(seen.append)

    question = Question(Reference("ml", model, version=version))
    estate.graph.impact(EVERYTHING, question, action)
    event.listen(estate.engine, "connect", trace, insert=True)
    estate.engine.dispose()
    estate.graph.impact(EVERYTHING, question, action)
    seen.clear()
    found = estate.graph.impact(EVERYTHING, question, action)
    event.remove(estate.engine, "connect", trace)
    estate.engine.dispose()
    return len(seen), [(one.ref, one.breaks, one.reason) for one in found.affected]


def test_a_model_of_many_versions(tmp_path: Path) -> None:
    estate = Estate(tmp_path)
    estate.join("ml", "risk")
    for name, count in (("few", 3), ("many", 40)):
        model = estate.model(name, aliases={"champion": "2"})
        estate.put("ml", model, *(estate.version(model, str(number)) for number in range(1, count + 1)))
        for what in (":1", "@champion", ""):
            user = estate.model(f"{name}-user{len(what)}")
            estate.put("ml", user, estate.version(user, "1", tags={"depends_on": f"{name}{what}"}))
    estate.settle()
    few, of_few = statements(estate, "few", "archive")
    many, of_many = statements(estate, "many", "archive")
    assert many == few
    named = [(ref.replace("few", "many"), breaks) for ref, breaks, _ in of_few]
    assert [(ref, breaks) for ref, breaks, _ in of_many] == named
    assert [(ref, breaks, reason) for ref, breaks, reason in of_few] == [
        ("ml/few-user2:1", True, "pinned to ml/few:1, which would be archived"),
        ("ml/few-user0:1", True, "follows ml/few, which means ml/few:3, which would be archived"),
        ("ml/few-user9:1", True, "follows ml/few@champion, which means ml/few:2, which would be archived"),
    ]
    estate.engine.dispose()


def test_a_version_of_which_nobody_says_anything(tmp_path: Path) -> None:
    """What it is, what is said beside the graph, the names of who is hit; and where a transaction begins and ends."""
    estate = Estate(tmp_path)
    estate.join("ml", "risk")
    quiet, user = estate.model("quiet"), estate.model("user")
    estate.put("ml", quiet, *(estate.version(quiet, number) for number in "12"))
    estate.put("ml", user, estate.version(user, "1", tags={"depends_on": "quiet:1"}))
    estate.settle()
    plain, found = statements(estate, "quiet", "archive", "1")
    assert (plain, found) == (5, [("ml/user:1", True, "pinned to ml/quiet:1, which would be archived")])
    follower = estate.model("follower")
    estate.put("ml", follower, estate.version(follower, "1", tags={"depends_on": "quiet"}))
    estate.settle()
    followed, found = statements(estate, "quiet", "archive", "2")
    assert followed > plain
    assert [ref for ref, _, _ in found] == ["ml/follower:1"]
    estate.engine.dispose()
