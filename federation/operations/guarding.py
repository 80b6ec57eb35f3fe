"""Whether a plan changes who holds a guarded stage: then it is for a promotion to make it."""

from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import Connection

from federation.operations.foresight import Draft
from federation.operations.plans import Plan
from federation.operations.state import NEW, read_versions
from federation.operations.wanted import Register, SetTags, merged
from federation.policies.guard import Moved, PromotionRequiredError, touched
from federation.policies.policy import Policy


def require_unguarded(connection: Connection, policies: Sequence[Policy], draft: Draft, plan: Plan) -> None:
    """Errors: `PromotionRequiredError`."""
    row, model = draft.state.place.row, draft.state.reference.model
    for moved in moves(connection, draft, plan):
        if found := touched(policies, row.name, row.team, model, moved):
            ref = str(draft.state.reference) if moved.ref.endswith(NEW) else moved.ref
            raise PromotionRequiredError(ref, found[0].stage, [one.name for one in found])


def moves(connection: Connection, draft: Draft, plan: Plan) -> Iterator[Moved]:
    """Every version whose normalised stage is another after a plan, with its tags before and after."""
    state = draft.state
    changed = [one for one in plan.stages if one.before != one.after]
    known = {state.ref(name): one for name, one in state.versions.items()}
    if state.id is not None and any(one.ref not in known for one in changed):
        known |= {state.ref(name): one for name, one in read_versions(connection, state.id, None).items()}
    whole = {} if state.model is None else state.model.tags
    for one in changed:
        version = known.get(one.ref)
        before = {**whole, **({} if version is None else version.record.tags)}
        yield Moved(one.ref, one.before, one.after, (before, _after(draft, before)))


def _after(draft: Draft, before: Mapping[str, str]) -> Mapping[str, str]:
    """The tags once every step was made, as if each were of this version."""
    for intent in draft.intents:
        if isinstance(intent.wanted, SetTags):
            before = merged(before, intent.wanted.tags)
        elif isinstance(intent.wanted, Register):
            before = {**before, **intent.wanted.tags}
    return before
