"""The names of everything the journal records: the one list of actions."""

from enum import StrEnum


class Action(StrEnum):
    """What an entry says happened, written `noun.verb`. `meaning` is one sentence for people.

    Names are never changed or reused, because they stand in entries for ever; new ones may be added.
    """

    meaning: str

    def __new__(cls, name: str, meaning: str) -> "Action":
        member = str.__new__(cls, name)
        member._value_ = name
        member.meaning = meaning
        return member

    # The log itself
    JOURNAL_STARTED = "journal.started", "The log began: its origin and format. Always entry 0."
    JOURNAL_SEALED = (
        "journal.sealed",
        "Entries up to a number were moved into an archive file; proofs still hold.",
    )
    JOURNAL_EXPORTED = "journal.exported", "Somebody exported entries or an evidence bundle."
    JOURNAL_RESUMED = "journal.resumed", "Signing went on after a stop, for example after a restored backup."
    KEY_CREATED = (
        "key.created",
        "The first key that signs checkpoints was made; `details.key` is its public part.",
    )
    KEY_ROTATED = (
        "key.rotated",
        "Checkpoints are signed by a new key from here on; `details.key` is its public part.",
    )
    WITNESS_ADDED = "witness.added", "Checkpoints go to this witness from here on."
    WITNESS_REMOVED = "witness.removed", "Checkpoints no longer go to this witness."
    WITNESS_AHEAD = "witness.ahead", "A witness knew a longer log than ours, so signing stopped."
    SUBJECT_ERASED = "subject.erased", "The values beside the log that name one person were deleted."
    SCHEMA_MIGRATED = "schema.migrated", "The database was brought to a newer schema."
    DATABASE_RESTORED = (
        "database.restored",
        "A backup was put back; what was done between it and this entry is not in the log.",
    )

    # Registries, as configured
    REGISTRY_APPLIED = "registry.applied", "A registry was added from the configuration."
    REGISTRY_CHANGED = "registry.changed", "The configuration of a registry changed."
    REGISTRY_DETACHED = (
        "registry.detached",
        "A registry is gone from the configuration; what it held is kept, stale.",
    )
    REGISTRY_ATTACHED = "registry.attached", "A detached registry came back into the configuration."
    REGISTRY_RENAMED = (
        "registry.renamed",
        "A registry has a new name; references with the former one still work.",
    )
    REGISTRY_FORGOTTEN = "registry.forgotten", "A detached registry and what was known of it were removed."

    # Syncing
    REGISTRY_STATE_CHANGED = "registry.state_changed", "A registry became ok, partial, stale or failing."
    REGISTRY_REPLACED = (
        "registry.replaced",
        "The backend is another one than before, so its sync was stopped.",
    )
    REGISTRY_IDENTITY_CONFIRMED = (
        "registry.identity_confirmed",
        "Somebody said that the backend that answers now is the same as before; its history goes on.",
    )
    SYNC_REQUESTED = "sync.requested", "Somebody asked for a sync."
    SYNC_FINISHED = (
        "sync.finished",
        (
            "A sync that found changes ended; `details` has the counts. "
            "`reread` counts what is read better than by a former release."
        ),
    )
    CATALOGUE_IMPORTED = (
        "catalogue.imported",
        "A first sync took in a chunk of records: pairs of key and digest.",
    )
    DELETES_HELD = (
        "deletes.held",
        "So many records were missing at once that the deletes wait for confirmation.",
    )
    DELETES_CONFIRMED = "deletes.confirmed", "Somebody confirmed the held deletes."
    DELETES_RELEASED = "deletes.released", "The missing records came back; nothing was deleted."
    RECORD_QUARANTINED = (
        "record.quarantined",
        "A record could not be read and was set aside; the rest went on.",
    )
    RECORD_RELEASED = "record.released", "A record that had been set aside can be read again."

    # What was observed on a backend
    MODEL_CREATED = "model.created", "A model appeared."
    MODEL_CHANGED = "model.changed", "A model's description, tags or other fields changed."
    MODEL_RENAMED = "model.renamed", "A model has a new name; `details.former` is the key that it had."
    VERSIONS_RENAMED = (
        "versions.renamed",
        "Versions of a renamed model have new keys: pairs of the former and the present one.",
    )
    MODEL_DELETED = "model.deleted", "The backend confirmed that a model is gone."
    MODEL_RESTORED = "model.restored", "A model that was gone is back, the same incarnation."
    VERSION_CREATED = "version.created", "A version appeared."
    VERSION_CHANGED = (
        "version.changed",
        "A version's tags, metrics or other fields changed. `details.reread`: some of them may only be read better.",
    )
    VERSION_DELETED = "version.deleted", "The backend confirmed that a version is gone."
    VERSION_RESTORED = "version.restored", "A version that was gone is back, the same incarnation."
    STAGE_CHANGED = (
        "stage.changed",
        "A version's stage changed; `before` and `after` hold the native stages as well.",
    )
    ALIAS_SET = "alias.set", "An alias appeared."
    ALIAS_MOVED = "alias.moved", "An alias points at another version."
    ALIAS_REMOVED = "alias.removed", "An alias is gone."
    ENDPOINT_CREATED = "endpoint.created", "An endpoint appeared."
    ENDPOINT_CHANGED = "endpoint.changed", "What an endpoint serves, or its traffic, changed."
    ENDPOINT_DELETED = "endpoint.deleted", "The backend confirmed that an endpoint is gone."
    ENDPOINT_RESTORED = "endpoint.restored", "An endpoint that was gone is back, the same incarnation."

    # What was asked for through Waypost
    OPERATION_REQUESTED = (
        "operation.requested",
        "A change of a backend was asked for; written before the backend is called.",
    )
    OPERATION_SUCCEEDED = "operation.succeeded", "The backend made the change, and reading it back agreed."
    OPERATION_FAILED = (
        "operation.failed",
        "The backend refused the change, or could not be reached before it was sent.",
    )
    OPERATION_PARTIAL = "operation.partial", "The backend made a part of the change; the words say which."
    OPERATION_UNKNOWN = (
        "operation.unknown",
        "The call broke off; whether the backend made the change is not known yet.",
    )
    OPERATION_SETTLED = "operation.settled", "The backend was asked what became of an unknown operation."
    POLICY_APPLIED = (
        "policy.applied",
        "A policy was added from the configuration; `details.digest` is its digest.",
    )
    POLICY_CHANGED = "policy.changed", "A policy holds as the configuration says it now."
    POLICY_REMOVED = "policy.removed", "A policy is gone from the configuration and no longer holds."
    POLICY_BYPASSED = (
        "policy.bypassed",
        "Who holds a guarded stage was changed on the backend itself, which `details.policy` would have refused.",
    )
    STATEMENT_MADE = (
        "statement.made",
        "Somebody stated something about a version's artifact; `details.sha256` is that of what was handed in.",
    )
    VERSION_COMMENTED = "version.commented", "Somebody said something of a version; it is committed to."
    PROMOTION_PROPOSED = (
        "promotion.proposed",
        "Somebody proposed to bring a version to a stage, or to roll back; the reason is committed to.",
    )
    PROMOTION_COMMENTED = (
        "promotion.commented",
        "Somebody said something about a promotion; it is committed to.",
    )
    PROMOTION_AGREED = (
        "promotion.agreed",
        "Somebody approved a promotion; `details.evidence` is the digest of what they approved.",
    )
    PROMOTION_APPROVED = "promotion.approved", "Everything that the policies ask for is there."
    PROMOTION_REJECTED = "promotion.rejected", "Somebody who may approve a promotion rejected it."
    PROMOTION_CANCELLED = "promotion.cancelled", "A promotion was taken back."
    PROMOTION_EXPIRED = "promotion.expired", "A promotion was not approved in time."
    PROMOTION_VOID = (
        "promotion.void",
        "What was approved is no longer so; `details.changed` names what changed.",
    )
    PROMOTION_STARTED = (
        "promotion.started",
        "The operations of a promotion were asked for, in one commit with this.",
    )
    PROMOTION_ROLLED = "promotion.rolled", "A promotion gives its version a greater share of the traffic."
    PROMOTION_DONE = "promotion.done", "A promotion was made, and read back from the backend."
    PROMOTION_FAILED = "promotion.failed", "A promotion was not made, and what was made of it was undone."
    PROMOTION_STUCK = (
        "promotion.stuck",
        "A part of a promotion was made and cannot be undone now, or nobody knows whether it was; it is tried again.",
    )
    PROMOTION_CHECKED = "promotion.checked", "An outside system said how its check of a promotion ended."
    PROMOTION_REVIEWED = "promotion.reviewed", "Somebody else looked at what was done in an emergency."
    RETENTION_APPLIED = (
        "retention.applied",
        "Somebody had a rule of retention carried out: `details.rule` says when, `details.does` what.",
    )
    DEPENDENCY_DECLARED = "dependency.declared", "Somebody declared that one thing depends on another."
    MODEL_DEPRECATED = (
        "model.deprecated",
        "Somebody said that a model is to go: until when, and what replaces it.",
    )
    MODEL_REINSTATED = "model.reinstated", "Somebody took back that a model is to go."
    DEPENDENCY_REMOVED = "dependency.removed", "A declared dependency was taken back."
    SEARCH_SAVED = "search.saved", "Somebody kept a search under a name, for themselves or for a team."
    SEARCH_REMOVED = "search.removed", "A saved search is kept no longer."

    # Who is told
    WEBHOOK_ADDED = "webhook.added", "An address was named that events are sent to."
    WEBHOOK_CHANGED = "webhook.changed", "The configuration of a webhook changed."
    WEBHOOK_ROTATED = "webhook.rotated", "What goes to a webhook is signed by a new secret."
    WEBHOOK_REMOVED = "webhook.removed", "Events are no longer sent to an address."
    WEBHOOK_REPLAYED = "webhook.replayed", "Somebody had events sent to a webhook again."
    WEBHOOK_GAVE_UP = "webhook.gave_up", "Events could not be delivered for days and were given up."

    # Access
    PRINCIPAL_CREATED = (
        "principal.created",
        "A person or service was seen for the first time and got an opaque id.",
    )
    PRINCIPAL_DISABLED = "principal.disabled", "A person or service may no longer sign in."
    PRINCIPAL_ENABLED = "principal.enabled", "A person or service that was disabled may sign in again."
    GROUPS_CHANGED = (
        "principal.groups_changed",
        "The identity provider says other groups of a person than before, or does not say them.",
    )
    GRANT_ADDED = "grant.added", "A role was given to a principal or group, on registries or on everything."
    GRANT_REMOVED = "grant.removed", "A role was taken away."
    TOKEN_CREATED = "token.created", "An access token was made; its secret is nowhere."
    TOKEN_REVOKED = "token.revoked", "An access token was revoked."
    SESSION_STARTED = "session.started", "Somebody signed in."
    SESSION_ENDED = "session.ended", "Somebody signed out, or a session was ended."
    SIGN_IN_FAILED = "session.refused", "Somebody tried to sign in and was refused."
    ACCESS_DENIED = "access.denied", "A known principal asked for something it may not have."
    ACCESS_DENIED_ANONYMOUS = (
        "access.denied_anonymous",
        "Requests without valid credentials: one entry per source and minute.",
    )
