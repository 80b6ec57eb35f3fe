"""What a team has to look at."""

from typing import TYPE_CHECKING, Any

from federation.access import LOCAL
from federation.followers import Followers
from gateway.api.rows import team_csv
from gateway.cli.here import Query
from gateway.cli.local import catch_up
from gateway.team import TeamOverview, team_out

if TYPE_CHECKING:
    from gateway.waypost import Waypost


def answer(waypost: "Waypost", asked: tuple[str, ...], query: Query, body: Any) -> object:
    """What is asked of `/team`. Errors: `UnknownError`."""
    catch_up(waypost, ["search"])
    waypost.reload_search()
    Followers({"events": waypost.events.recorder()}).catch_up()
    overview = TeamOverview.of(waypost, LOCAL, query.get("team", ""))
    match asked:
        case ("GET", "team"):
            return team_out(overview, query.get("limit", 5))
        case ("GET", "team", name):
            if query.get("format") == "csv":
                return "".join(team_csv(overview.rows(name)))
            return overview.shown(name, query.get("limit", 50))
    raise LookupError(asked)
