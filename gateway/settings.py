"""Settings: one TOML file, any value overridden by `WAYPOST__SECTION__KEY`; mistakes are named, with a remedy."""

import difflib
import ipaddress
import json
import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, ValidationError, field_validator

from federation.errors import SetupError
from federation.secrets import SCHEMES
from gateway.database_settings import DatabaseSettings, RedisSettings
from gateway.plain import plain
from gateway.policy_settings import PromotingSettings, mistakes
from gateway.sections import Section, table_in
from gateway.telling_settings import LogSettings, TracingSettings

if TYPE_CHECKING:
    from federation.events.events import WebhookSpec
    from federation.identity.identity import GrantSpec
    from federation.registries.registries import RegistrySpec

ASYMMETRIC = frozenset(f"{family}{size}" for family in ("RS", "PS", "ES") for size in (256, 384, 512)) | {
    "EdDSA"
}
"""Signature algorithms whose key can be published; with any other, whoever can check a token could make one."""
DEFAULT_FILE = Path("waypost.toml")
PREFIX = "WAYPOST__"


class SettingsError(SetupError):
    """The configuration cannot be used. One line: where, what, and what to do."""

    code = "invalid-configuration"


class ServerSettings(Section):
    """Where the gateway listens, and with how many processes."""

    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(
        default=8080, ge=0, le=65535, description="port to listen on; 0: a free one, printed at start"
    )
    workers: int = Field(default=1, ge=1, le=64, description="API processes")
    allowed_hosts: tuple[str, ...] = Field(
        default=(),
        description="Host headers that are answered; empty: the listening address, public_url and localhost",
    )
    trusted_proxies: tuple[str, ...] = Field(
        default=(), description="addresses whose X-Forwarded-For and -Proto headers are believed"
    )
    public_url: str = Field(
        default="",
        description="address at which people reach this gateway, for signing in behind a proxy, without a path; "
        "empty: as asked",
    )
    drain_seconds: float = Field(
        default=0.0,
        ge=0,
        le=300,
        description="seconds for which a gateway that is told to stop goes on answering while /health/ready says 503, "
        "so that a proxy sends nobody here any more",
    )
    max_body_kb: int = Field(default=1024, ge=1, description="largest request body that is read, in KiB")
    rate_limit: int = Field(
        default=6000,
        ge=0,
        description="requests a minute for one principal, or one address of those who are not known; counted in each "
        "process, or for all of them in Redis; 0: no limit",
    )

    @field_validator("public_url")
    @classmethod
    def _is_an_origin(cls, url: str) -> str:
        parts = urlsplit(url)
        if url and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise ValueError(
                "must be an http:// or https:// address, for example https://waypost.example.com"
            )
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise ValueError("must hold no credentials, no ? and no #")
        if parts.path.strip("/"):
            raise ValueError(
                "must have no path: pages, redirects and cookies begin at /, so give it a host name of its own"
            )
        return url.rstrip("/")


class SearchSettings(Section):
    """Where this machine keeps its search index and graph files; both can be deleted and are rebuilt."""

    path: Path = Field(default=Path("waypost-index"), description="folder of index and graph files")
    synonyms: Path | None = Field(
        default=None, description="file of synonyms in place of the one that comes along"
    )
    lexicon: Path | None = Field(
        default=None,
        description="file of what words of a request mean (tasks, languages, …), added to the one that comes along",
    )
    snapshots: str = Field(
        default="",
        description="folder, or s3://, gs:// or az:// address, where the gateways of one database keep index and graph "
        "for each other, so that a new one need not build its own; credentials as the store's own tools find them; "
        "empty: nowhere",
    )

    @field_validator("snapshots")
    @classmethod
    def _holds_no_secret(cls, address: str) -> str:
        if "://" in address and ("@" in urlsplit(address).netloc or urlsplit(address).query):
            raise ValueError("must hold no credentials and no ?")
        return address


class RegistrySettings(Section):
    """One backend."""

    name: str = Field(description="first part of every reference")
    kind: str = Field(
        description="the adapter: mlflow, sagemaker, vertex, huggingface, git, oci, kubeflow, unity, wandb, azureml, "
        "folder, rest, memory, or a plugin's"
    )
    team: str = Field(description="the team that owns it")
    sync_every: float = Field(default=60.0, ge=0, description="seconds between two runs; 0: only when asked")
    full_every: float = Field(
        default=3600.0, gt=0, description="seconds after which everything is listed again"
    )
    writable: bool = Field(default=False, description="whether Waypost may change models there")
    stages: dict[Literal["production", "staging", "archived"], tuple[str, ...]] = Field(
        default_factory=dict, description="stage rules; the kind's defaults where not given"
    )
    former_names: tuple[str, ...] = Field(
        default=(), description="names it had before; their references keep working"
    )
    config: dict[str, Any] = Field(
        default_factory=dict, description="what its adapter needs; secrets as env: or file:"
    )

    def spec(self) -> "RegistrySpec":
        """The same for the federation."""
        from federation.registries.registries import RegistrySpec

        return RegistrySpec(**self.model_dump())


class GrantSettings(Section):
    """A role given by the configuration."""

    token: str = Field(
        default="", description="name of the token the role is given to; or use subject or group"
    )
    subject: str = Field(default="", description="OIDC subject (`sub`) of the person the role is given to")
    group: str = Field(default="", description="OIDC group the role is given to")
    role: str = Field(
        description="viewer, contributor, approver, attester, emergency, auditor, operator or impact.global"
    )
    on: str = Field(default="*", description="* for everything, team:NAME, or registry:NAME")

    def spec(self) -> "GrantSpec":
        """The same for the federation; checked by `_check`."""
        from federation.identity.identity import GrantSpec

        named = {"token": self.token, "subject": self.subject, "group": self.group}
        who = [f"{kind}:{name}" for kind, name in named.items() if name]
        return GrantSpec(who[0] if len(who) == 1 else "", self.role, self.on)


class OidcSettings(Section):
    """Sign-in through an identity provider."""

    issuer: str = Field(default="", description="the provider's issuer URL")
    client_id: str = Field(default="", description="this gateway's client id")
    client_secret: str = Field(
        default="", description="reference env: or file:; empty for a public client with PKCE"
    )
    audience: str = Field(default="", description="audience a token must have; empty: the client id")
    algorithms: tuple[str, ...] = Field(
        default=("RS256", "ES256"), description="signature algorithms that are accepted"
    )
    scopes: tuple[str, ...] = Field(
        default=("openid", "profile"),
        description="scopes asked for at sign-in; some providers want one for groups, and offline_access for a refresh "
        "token, with which groups are asked for again",
    )
    groups_claim: str = Field(
        default="groups",
        description="claim that lists a person's groups, in the token or in userinfo; dots lead into a claim, as in "
        "realm_access.roles",
    )
    names_claims: tuple[str, ...] = Field(
        default=(),
        description="claims that hold what backends call a person, such as email or preferred_username: so it is known "
        "who made a version, as by [[people]], which comes first; nobody may be able to change them for themselves",
    )


class AuthSettings(Section):
    """Who may do what."""

    mode: Literal["local", "token", "oidc"] = Field(
        default="local", description="local: everybody on this machine may do everything, only on loopback"
    )
    default_role: Literal["", "viewer"] = Field(
        default="", description="viewer: every signed-in principal may read everything"
    )
    session_hours: float = Field(
        default=8.0,
        gt=0,
        le=24 * 7,
        description="how long a browser session lasts; what an identity provider says of a person is asked for again "
        "every 10 to 15 minutes, by refresh token or userinfo, and where it has neither a session lasts an hour",
    )
    oidc: OidcSettings = OidcSettings()
    grants: tuple[GrantSettings, ...] = ()


class AuditSettings(Section):
    """The journal's checkpoints."""

    key: Path = Field(
        default=Path("waypost-audit.key"), description="file of the signing key, made at first start"
    )
    witnesses: tuple[str, ...] = Field(
        default=(), description="folders or URLs of other gateways that countersign checkpoints"
    )
    witness_for: tuple[str, ...] = Field(
        default=(), description="verifier keys (name+id+key) of other logs that this gateway countersigns"
    )
    witness_key: Path = Field(
        default=Path("waypost-witness.key"),
        description="file of the key this gateway countersigns with, made when it is first needed",
    )
    archive: Path = Field(
        default=Path("waypost-archive"), description="folder that sealed entries are moved into"
    )
    keep_days: int = Field(
        default=0, ge=0, description="entries older than so many days are sealed by themselves; 0: never"
    )


class WebhookSettings(Section):
    """An address that events are sent to."""

    name: str = Field(description="what it is called")
    url: str = Field(description="where events are sent, as Standard Webhooks")
    types: tuple[str, ...] = Field(
        default=(), description="types of events, or nouns such as stage; empty: all"
    )
    on: str = Field(default="", description="team:NAME, registry:NAME or a model; empty: everything")
    secrets: tuple[str, ...] = Field(
        min_length=1, max_length=4, description="references env: or file: to whsec_…; each of them signs"
    )

    def spec(self) -> "WebhookSpec":
        """The same for the federation."""
        from federation.events.events import WebhookSpec

        return WebhookSpec(**self.model_dump())


class EventsSettings(Section):
    """Who is told of events."""

    allowed_networks: tuple[str, ...] = Field(
        default=(),
        description="private networks (CIDR) that webhooks may go to; public addresses they always may",
    )
    webhooks: tuple[WebhookSettings, ...] = ()


class Settings(PromotingSettings):
    """The whole configuration."""

    server: ServerSettings = ServerSettings()
    database: DatabaseSettings = DatabaseSettings()
    redis: RedisSettings = RedisSettings()
    search: SearchSettings = SearchSettings()
    auth: AuthSettings = AuthSettings()
    audit: AuditSettings = AuditSettings()
    events: EventsSettings = EventsSettings()
    log: LogSettings = LogSettings()
    tracing: TracingSettings = TracingSettings()
    plugins: Path | None = Field(default=None, description="folder of single-file adapters")
    registries: tuple[RegistrySettings, ...] = ()


def settings_file(given: Path | None) -> Path:
    """The file that applies: the one given, else `WAYPOST_CONFIG`, else `./waypost.toml`."""
    return given or Path(os.environ.get("WAYPOST_CONFIG") or DEFAULT_FILE)


def load_settings(path: Path, environ: Mapping[str, str] | None = None) -> Settings:
    """Read and check the file. Relative paths in it start at its own folder. Errors: `SettingsError`."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(
            f"{path} does not exist: `waypost init` writes one, --config names another"
        ) from None
    except (OSError, UnicodeError) as error:
        raise SettingsError(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8'}"
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not TOML: {error}") from None
    _override(data, os.environ if environ is None else environ)
    try:
        settings = Settings.model_validate(data)
    except ValidationError as error:
        raise SettingsError(f"{path}: {_explain(error)}") from None
    _check(settings, path)
    return _anchored(settings, path.resolve().parent)


def is_loopback(host: str) -> bool:
    """Whether an address can only be reached from this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _override(data: dict[str, Any], environ: Mapping[str, str]) -> None:
    for name, value in sorted(environ.items()):
        if not name.startswith(PREFIX):
            continue
        *sections, key = name.removeprefix(PREFIX).lower().split("__")
        target = data
        for section in sections:
            target = target.setdefault(section, {})
            if not isinstance(target, dict):
                raise SettingsError(f"{name}: {section} is not a section of the configuration")
        target[key] = _plain(value)


def _plain(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value


def _explain(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    location = [str(part) for part in first["loc"]]
    where = ".".join(location)
    if first["type"] == "extra_forbidden":
        known = _known(location[:-1])
        near = difflib.get_close_matches(location[-1], known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(sorted(known))}"
        return f"unknown key {where}: {hint}"
    if first["type"] == "missing":
        return f"{where} is missing"
    return f"{where}: {plain(first['msg']).lower()}"


def _known(location: list[str]) -> list[str]:
    model: type[BaseModel] = Settings
    for part in location:
        if part.isdigit():
            continue
        by_key = {field.alias or name: field for name, field in model.model_fields.items()}
        found = table_in(by_key[part].annotation) if part in by_key else None
        if found is None:
            return []
        model = found
    return [field.alias or name for name, field in model.model_fields.items()]


def _check(settings: Settings, path: Path) -> None:
    names = [registry.name for registry in settings.registries]
    double = next((name for name in names if names.count(name) > 1), None)
    if double is not None:
        raise SettingsError(
            f"{path}: two registries are called {double}: a name is the first part of every reference"
        )
    if settings.auth.mode == "local" and not is_loopback(settings.server.host):
        raise SettingsError(
            f'{path}: auth.mode = "local" gives everybody who can connect every right, and server.host = '
            f'"{settings.server.host}" is open to others: set auth.mode to "token" or "oidc", or host to 127.0.0.1'
        )
    for proxy in settings.server.trusted_proxies:
        try:
            ipaddress.ip_network(proxy, strict=False)
        except ValueError:
            raise SettingsError(
                f"{path}: server.trusted_proxies: {proxy[:60]!a} is no address or network"
            ) from None
    if settings.auth.mode == "oidc" and not (settings.auth.oidc.issuer and settings.auth.oidc.client_id):
        raise SettingsError(f'{path}: auth.mode = "oidc" needs auth.oidc.issuer and auth.oidc.client_id')
    _check_oidc(settings.auth.oidc, path)
    _check_events(settings.events, path)
    if settings.auth.grants:
        _check_grants(settings.auth.grants, path)
    mistake = next(mistakes(settings), None)
    if mistake is not None:
        raise SettingsError(f"{path}: {mistake}")
    if settings.plugins is not None and not (path.resolve().parent / settings.plugins).is_dir():
        raise SettingsError(f"{path}: plugins: the folder {settings.plugins} does not exist")


def _check_events(events: EventsSettings, path: Path) -> None:
    for network in events.allowed_networks:
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError:
            raise SettingsError(f"{path}: events.allowed_networks: {network[:60]!a} is no network") from None
    names = [one.name for one in events.webhooks]
    double = next((name for name in names if names.count(name) > 1), None)
    if double is not None:
        raise SettingsError(f"{path}: two webhooks are called {double}")
    for one in events.webhooks:
        value = next((each for each in one.secrets if not each.startswith(SCHEMES)), None)
        if value is not None:
            raise SettingsError(
                f"{path}: events.webhooks: a secret of {one.name} is no reference env: or file:"
            )


def _check_grants(grants: Sequence[GrantSettings], path: Path) -> None:
    from federation.identity.identity import GrantError, check_grant  # the database comes along

    for number, grant in enumerate(grants):
        try:
            check_grant(grant.spec())
        except GrantError as error:
            raise SettingsError(f"{path}: auth.grants.{number}: {error}") from None


def _check_oidc(oidc: OidcSettings, path: Path) -> None:
    issuer = urlsplit(oidc.issuer)
    if oidc.issuer and issuer.scheme != "https" and not is_loopback(issuer.hostname or ""):
        raise SettingsError(f"{path}: auth.oidc.issuer must be an https address")
    refused = sorted(set(oidc.algorithms) - ASYMMETRIC)
    if refused or not oidc.algorithms:
        raise SettingsError(
            f"{path}: auth.oidc.algorithms: {refused[0] if refused else 'none'} cannot be used: name some of "
            f"{', '.join(sorted(ASYMMETRIC))}"
        )


def _address(folder: Path, place: str) -> str:
    """A place as an address: a folder is one of this machine's."""
    return place if not place or "://" in place else (folder / place).absolute().as_uri()


def _anchored(settings: Settings, folder: Path) -> Settings:
    search, audit, url = settings.search, settings.audit, settings.database.url
    prefix = "sqlite:///"
    if url.startswith(prefix) and not url.startswith(prefix + "/") and url != prefix:
        url = f"{prefix}{folder / url.removeprefix(prefix)}"
    return settings.model_copy(
        update={
            "database": settings.database.model_copy(update={"url": url}),
            "search": search.model_copy(
                update={
                    "path": folder / search.path,
                    "synonyms": None if search.synonyms is None else folder / search.synonyms,
                    "lexicon": None if search.lexicon is None else folder / search.lexicon,
                    "snapshots": _address(folder, search.snapshots),
                }
            ),
            "audit": audit.model_copy(
                update={
                    "key": folder / audit.key,
                    "witness_key": folder / audit.witness_key,
                    "archive": folder / audit.archive,
                    "witnesses": tuple(one if "://" in one else str(folder / one) for one in audit.witnesses),
                }
            ),
            "promotions": settings.promotions.model_copy(
                update={"folder": folder / settings.promotions.folder}
            ),
            "plugins": None if settings.plugins is None else folder / settings.plugins,
            "signers": tuple(
                one.model_copy(
                    update={name: folder / path for name in ("key", "roots") if (path := getattr(one, name))}
                )
                for one in settings.signers
            ),
        }
    )
