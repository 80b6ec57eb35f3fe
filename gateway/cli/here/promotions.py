"""Policies and promotions."""

from typing import TYPE_CHECKING, Any, cast

from federation.access import LOCAL
from federation.promotions.promotions import ChosenPromotions, Word
from gateway.api import promotions_out as out
from gateway.cli.here import Ident, Query, checked
from gateway.meant import place_meant
from gateway.parameters import read_reference

if TYPE_CHECKING:
    from gateway.waypost import Waypost

WORDS = {
    "approve": "approve",
    "reject": "reject",
    "comments": "comment",
    "cancel": "cancel",
    "review": "review",
    "stop": "stop",
}


def answer(waypost: "Waypost", asked: tuple[str, ...], query: Query, body: Any) -> object:
    """What is asked of policies and promotions. Errors: those of the faces."""
    promotions = waypost.promotions
    match asked:
        case ("GET", "policies"):
            found = [out.policy_out(one) for one in waypost.policies.standing()]
            return out.PoliciesOut(found, promotions.unsatisfiable())
        case ("POST", "promotions"):
            return out.proposed(waypost, LOCAL, checked(out.PromotionIn, body))
        case ("GET", "plans"):
            to = checked(out.Stage, query.get("to", "production"), "to")
            after = None if query.get("cursor") is None else read_reference(query["cursor"])
            place = place_meant(waypost, LOCAL.view, query.get("under", ""))
            found_all = promotions.survey(LOCAL.view, to, place, after, query.get("limit", 200))
            return out.survey_out(to, *found_all)
        case ("POST", "rollbacks"):
            return out.rolled_back(waypost, LOCAL, checked(out.RollbackIn, body))
        case ("GET", "promotions"):
            if query.get("waiting_for"):
                return out.promotions_out(waypost, promotions.waiting_for(LOCAL), 0)
            state = checked(out.PromotionState | None, query.get("state"), "state")
            limit = query.get("limit", 50)
            return out.promotions_out(
                waypost, promotions.list(LOCAL.view, ChosenPromotions(state), limit), limit
            )
        case ("GET", "rollouts"):
            rolled = promotions.list(LOCAL.view, ChosenPromotions(rolled=True), query.get("limit", 50))
            return out.promotions_out(waypost, rolled, query.get("limit", 50))
        case ("GET", "promotions", number):
            return out.seen_out(promotions.show(LOCAL.view, _number(number)))
        case ("POST", "promotions" | "rollouts", number, word) if word in WORDS:
            said = checked(out.WordsIn, body)
            kind = cast("Word", WORDS[word])
            return out.seen_out(promotions.say(LOCAL, _number(number), kind, said.words, said.evidence))
        case ("PUT", "promotions", number, "checks", *name):
            report = checked(out.ReportIn, body).report("/".join(name))
            return out.seen_out(promotions.report(LOCAL, _number(number), report))
    raise LookupError(asked)


def _number(text: str) -> int:
    found: int = checked(Ident, text, "promotion_id")
    return found
