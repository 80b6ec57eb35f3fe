"""Answers searches from the index in a folder, with how fresh the registries are that an answer covers."""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import get_args

import msgspec

from federation.access import View
from federation.search import language
from federation.search.answer import (
    MAX_LIMIT,
    Group,
    SearchAnswer,
    SearchError,
    SearchRequest,
    SimilarAnswer,
    Suggestion,
)
from federation.search.document import Document
from federation.search.fields import BY_NAME
from federation.search.freshness import MOST_VIEWS, Coverage, RegistryFreshness
from federation.search.lexicon import Lexicon
from federation.search.sorting import read_sort
from federation.search.suggest import suggest
from federation.search.syntax import Is, Node, Qualifier, leaves
from federation.search.tantivy import encoding, facets, folder
from federation.search.tantivy.clauses import People
from federation.search.tantivy.folder import Generation, IndexMissingError
from federation.search.tantivy.run import find
from federation.search.tantivy.similar import SimilarRun
from federation.search.tantivy.state import IndexState, registries_seen
from federation.search.tantivy.vocabulary import IndexVocabulary
from federation.whole import Suspicion

MAX_SUGGEST = 500
KEPT, MOST_REMEMBERED = 256, 50
"""So many answers are remembered in each process, of those with at most so many hits."""


def knows_meanings() -> bool:
    """Whether the word embeddings are installed, by which what is close in meaning is found."""
    from federation.search.vectors.embedding import is_installed

    return is_installed()


class _ServedState:
    """A state, and what was found in it lately: in one state that cannot change."""

    def __init__(self, state: IndexState, kept: int) -> None:
        self.state = state
        self.find = partial(find, state)
        self.recall = lru_cache(kept)(self.find)


class Search:
    """The reading side of the index in a folder; one per process, used by many threads.

    `registries` gives the registries of a view and their freshness, the same sequence for as long as they are the
    same; `behind` says whether an index at a position lacks what a view should find by now. The last `kept` answers
    are remembered for as long as nothing changes in the index. `principals` gives the ids of those who are called so,
    or (True) whose names begin so.
    """

    def __init__(
        self,
        path: Path,
        registries: Callable[[View], Sequence[RegistryFreshness]],
        lexicon: Lexicon,
        behind: Callable[[View, int], bool] = lambda _view, _position: False,
        kept: int = KEPT,
        principals: Callable[[str, bool], Sequence[str]] = lambda name, _begins: (name,),
    ) -> None:
        self._path = path
        self._kept = kept
        self._registries = registries
        self._behind = behind
        self._principals = principals
        self.lexicon = lexicon
        self._generation: Generation | None = None
        self._served: _ServedState | None = None
        self._covered: dict[View, Coverage] = {}
        self._lock = threading.Lock()
        self._suspicion = Suspicion(path)
        language.parse("")

    def reload(self) -> int:
        """Looks at the newest commit; to be called when the worker says so. Returns the position now served, -1 while
        there is no index. An index that disappears is served on as long as it is open."""
        with self._lock:
            with suppress(IndexMissingError):  # there is none yet, or for a moment
                self._refresh()
            return self.position

    def _refresh(self) -> None:
        if self._generation is not None and folder.is_set_aside(self._path, self._generation.name):
            self._generation = self._served = None
        name = folder.current(self._path)
        if self._generation is None or self._generation.name != name:
            self._generation = folder.open_current(self._path)
        with folder.engine_errors():
            self._generation.index.reload()
            known = None if self._served is None else self._served.state
            state = IndexState.of(self._generation, self._path, known)
            if state is not known:
                self._served = _ServedState(state, self._kept)

    @property
    def position(self) -> int:
        """The change position that is served, -1 while there is no index."""
        return -1 if self._served is None else self._served.state.position

    def query(self, view: View, request: SearchRequest) -> SearchAnswer:
        """Everything the view may see that a request asks for.

        Errors: `QuerySyntaxError` for the query, `SearchError` for another parameter. While there is no index the
        answer is empty and `partial`.
        """
        return self._query(self._covers(view), view, request)

    def query_json(self, view: View, request: SearchRequest) -> bytes:
        """What `query` answers, as JSON: what it says of the registries is encoded when that changes, not at every
        search. Errors: as `query`."""
        covered = self._covers(view)
        answer = self._query(covered, view, request)
        return msgspec.json.encode(msgspec.structs.replace(answer, registries=covered.json))

    def _query(self, covered: Coverage, view: View, request: SearchRequest) -> SearchAnswer:
        tree = language.parse(request.q)
        _check_limit(request.limit)
        if request.group not in get_args(Group):
            raise SearchError("group", f"Hits are grouped by model or version, not by {request.group}.")
        facets.columns(request.facets)
        read_sort(request.sort)
        served = self._served
        if served is None:
            return SearchAnswer(query=request.q, partial=True, registries=covered.freshness)
        ask = served.recall if request.limit <= MOST_REMEMBERED else served.find
        try:
            answer = ask(
                view, request, covered.stale, self.lexicon, datetime.now(UTC).date(), self._meant(tree)
            )
        except IndexMissingError:
            self._suspicion.mark(served.state.commit[0])
            return SearchAnswer(query=request.q, partial=True, registries=covered.freshness)
        partial = covered.unread or self._behind(view, served.state.position)
        return SearchAnswer(
            query=request.q, total=answer.counts.documents, versions=answer.counts.versions,
            models=answer.counts.models, hits=answer.hits, facets=answer.counts.facets,
            corrections=answer.corrections, understood=answer.understood, relaxed=answer.relaxed,
            nothing_fits=not answer.hits and bool(request.q.strip()) and request.cursor is None, near=answer.near,
            by_meaning=answer.by_meaning, unknown=answer.unknown, next_cursor=answer.next_cursor, partial=partial,
            registries=covered.freshness,
        )  # fmt: skip

    def _meant(self, tree: Node) -> People:
        """Whom the names in the query mean just now. Errors: `DatabaseError`."""
        asked = {
            match: None
            for leaf, _ in leaves(tree)
            if isinstance(leaf, Qualifier) and BY_NAME[leaf.name].match == "person"
            for match in leaf.matches
            if isinstance(match, Is) and match.text
        }
        return tuple((one, tuple(self._principals(one.text, one.prefix))) for one in asked)

    def similar(self, view: View, document: Document, limit: int) -> SimilarAnswer:
        """Other models in the view that are like a version, each by its first version, most alike first. Errors:
        `SearchError`."""
        _check_limit(limit)
        covered, served = self._covers(view), self._served
        asked = SimilarAnswer(ref=encoding.reference_of(document), partial=True, registries=covered.freshness)
        if served is None:
            return asked
        try:
            with folder.engine_errors():
                found = SimilarRun(served.state, view, document, self.lexicon).answer(limit)
        except IndexMissingError:
            self._suspicion.mark(served.state.commit[0])
            return asked
        partial = covered.unread or self._behind(view, served.state.position)
        return msgspec.structs.replace(asked, similar=found, partial=partial)

    def _covers(self, view: View) -> Coverage:
        """Worked out again when the states are others, which they are once a second, not at every search."""
        states = self._registries(view)
        known = self._covered.get(view)
        if known is None or known.states is not states:
            if len(self._covered) >= MOST_VIEWS:
                self._covered.clear()
            known = self._covered[view] = Coverage.of(states)
        return known

    def suggest(self, view: View, text: str) -> list[Suggestion]:
        """Completions for a query being typed; none while there is no index."""
        if self._served is None:
            return []
        state = self._served.state
        vocabulary = IndexVocabulary(state.reader, registries_seen(view, state.registry_ids))
        try:
            with folder.engine_errors():
                return suggest(vocabulary, text[-MAX_SUGGEST:])
        except IndexMissingError:
            self._suspicion.mark(state.commit[0])
            return []


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= MAX_LIMIT:
        raise SearchError("limit", f"limit is a number from 1 to {MAX_LIMIT}.")
