"""The class itself: what it declares, and what it does before the first call."""

import contextlib
import inspect
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import lru_cache, partial
from typing import Any, NoReturn
from unittest import mock

from pydantic import BaseModel, SecretStr, ValidationError

from adapters.conformance.check import check
from adapters.conformance.harness import Fault
from adapters.conformance.lab import CheckFailed, Lab, refused, require
from adapters.contract import CONTRACT_VERSION, Adapter, AdapterConfig, Capability, NewModel, Registration
from adapters.errors import UnsupportedError
from adapters.records import Key

HEAVY = ("boto3", "botocore", "google.api_core", "grpc", "mlflow", "numpy", "pandas", "sagemaker", "torch")
"""Modules that must wait for the first call: they take a second or more, or megabytes, to import."""
NAMED_LIKE_A_SECRET = re.compile(r"(^|_)(token|password|passwd|secret|api_?key|private_?key|credentials?)$")
RULE = re.compile(r"^((stage|approval|lifecycle|alias|tag):\S.*|deployed)$")
STAGES = {"none", "staging", "production", "archived"}
CALLS = ("probe", "scan", "get", "schema", "snippets", "close", *(c.value for c in Capability))


@check()
def kind_is_a_word(lab: Lab) -> None:
    """The kind is a lower-case word, fit for the configuration, a file name and an entry point."""
    kind = getattr(lab.harness.adapter_type, "kind", None)
    require(
        isinstance(kind, str) and re.fullmatch(r"[a-z][a-z0-9_]*", kind),
        f"kind is {kind!r}: use [a-z][a-z0-9_]*",
    )


@check()
def contract_version_is_current(lab: Lab) -> None:
    """The adapter says which major version of the contract it was written for, and it is this one."""
    found = lab.harness.adapter_type.contract
    require(found == CONTRACT_VERSION, f"contract = {found}, this Waypost speaks {CONTRACT_VERSION}")


@check()
def config_is_frozen_and_strict(lab: Lab) -> None:
    """The configuration is an AdapterConfig that cannot be changed, refuses unknown keys and hides its input
    in errors.
    """
    config: object = lab.harness.adapter_type.config_type
    require(isinstance(config, type) and issubclass(config, AdapterConfig), "config_type is no AdapterConfig")
    assert isinstance(config, type)
    assert issubclass(config, AdapterConfig)
    settings = config.model_config
    require(settings.get("frozen"), "config_type is not frozen")
    require(settings.get("extra") == "forbid", "config_type takes unknown keys (extra must be forbid)")
    require(settings.get("hide_input_in_errors"), "config_type shows its input in errors")


@check()
def config_refuses_an_unknown_key(lab: Lab) -> None:
    """A key nobody knows is an error that names it, so that a typing mistake is never silently ignored."""
    try:
        lab.harness.adapter_type.config_type.model_validate({"waypost_no_such_key": 1})
    except ValidationError as error:
        require("waypost_no_such_key" in str(error), "the error does not name the unknown key")
        return
    raise CheckFailed("the configuration takes a key it does not know")


@check()
def config_keeps_secrets_secret(lab: Lab) -> None:
    """A field that is named like a credential has a secret type, so that printing the configuration shows none."""
    for name, field in lab.harness.adapter_type.config_type.model_fields.items():
        if NAMED_LIKE_A_SECRET.search(name):
            require(_holds_secret(field.annotation), f"config field {name} is not a SecretStr")


def _holds_secret(annotation: object) -> bool:
    if isinstance(annotation, type):
        return issubclass(annotation, SecretStr | BaseModel)
    return any(_holds_secret(part) for part in getattr(annotation, "__args__", ()))


@check()
def config_fields_are_described(lab: Lab) -> None:
    """Every field of the configuration says what it means: users see that text."""
    fields = lab.harness.adapter_type.config_type.model_fields
    bare = [name for name, field in fields.items() if not field.description]
    require(not bare, f"config fields without a description: {', '.join(bare)}")


@check()
def capabilities_match_methods(lab: Lab) -> None:
    """What is declared is implemented and what is implemented is declared, on the instance as well."""
    adapter = lab.main
    for capability in Capability:
        implemented = getattr(type(adapter), capability.value) is not getattr(Adapter, capability.value)
        declared = capability in adapter.capabilities
        require(
            implemented == declared,
            f"{capability.name} is {'implemented' if implemented else 'declared'} only",
        )


@check()
def signatures_are_kept(lab: Lab) -> None:
    """Overridden methods take the contract's parameters, by the same names: callers pass them by name."""
    for name in CALLS:
        theirs = inspect.signature(getattr(lab.harness.adapter_type, name)).parameters
        for parameter in inspect.signature(getattr(Adapter, name)).parameters.values():
            found = theirs.get(parameter.name)
            if found is None and any(p.kind is p.VAR_KEYWORD for p in theirs.values()):
                continue
            require(found is not None, f"{name} lacks the parameter {parameter.name}")
            assert found is not None
            by_name = found.kind in (found.KEYWORD_ONLY, found.POSITIONAL_OR_KEYWORD)
            by_place = parameter.kind is parameter.KEYWORD_ONLY or found.kind is not found.KEYWORD_ONLY
            require(by_name and by_place, f"{name} takes {parameter.name} in another way")
            optional = parameter.default is parameter.empty or found.default is not found.empty
            require(optional, f"{name} needs {parameter.name}, which the contract makes optional")


@check()
def stage_rules_are_rules(lab: Lab) -> None:
    """The kind's default stage rules name normalised stages and rules that exist."""
    for stage, rules in lab.harness.adapter_type.stage_rules.items():
        require(stage in STAGES, f"stage_rules has {stage!r}: use {', '.join(sorted(STAGES))}")
        for rule in rules:
            require(RULE.match(rule), f"{rule!r} is no stage rule: stage:X, alias:X, tag:K=V, deployed …")


@check()
def init_does_nothing(lab: Lab) -> None:
    """Making an adapter touches no network, starts no process and asks the backend nothing."""
    counts = "requests" in lab.harness.offers()
    before = lab.harness.requests() if counts else 0
    with _no_network():
        lab.adapter()
    require(not counts or lab.harness.requests() == before, "__init__ sent a request to the backend")


@contextlib.contextmanager
def _no_network() -> Iterator[None]:
    def stop(*_: object, **__: object) -> NoReturn:
        raise CheckFailed("__init__ opened a connection or started a process: wait for the first call")

    with (
        mock.patch.object(socket.socket, "connect", stop),
        mock.patch.object(socket.socket, "connect_ex", stop),
        mock.patch.object(socket, "getaddrinfo", stop),
        mock.patch.object(subprocess.Popen, "__init__", stop),
    ):
        yield


@check("fault unreachable")
def init_needs_no_backend(lab: Lab) -> None:
    """Making an adapter succeeds while the backend is down: a start must not depend on it."""
    with lab.harness.fail_with(Fault.UNREACHABLE):
        lab.adapter()


@check()
def import_is_light(lab: Lab) -> None:
    """Importing the adapter imports no vendor SDK and prints nothing: that waits for the first call."""
    module = sys.modules[lab.harness.adapter_type.__module__]
    heavy, printed = _imports(module.__name__, getattr(module, "__file__", None))
    require(
        not heavy, f"importing {module.__name__} imports {', '.join(heavy)}: import inside the first call"
    )
    require(not printed, f"importing {module.__name__} prints {printed[:80]!r}")


@lru_cache(maxsize=256)
def _imports(module: str, path: str | None) -> tuple[tuple[str, ...], str]:
    """Heavy modules and output of importing a module in a fresh interpreter."""
    load = f"importlib.import_module({module!r})"
    if module.startswith("waypost_plugin_") and path:
        load = (
            f"s = importlib.util.spec_from_file_location({module!r}, {path!r}); "
            f"m = importlib.util.module_from_spec(s); sys.modules[{module!r}] = m; s.loader.exec_module(m)"
        )
    code = (
        f"import importlib, importlib.util, sys; sys.path[:] = {sys.path!r}; import adapters; {load}; "
        f"print('\\n--', *[m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    require(done.returncode == 0, f"the module does not import by itself: {done.stderr.strip()[-200:]}")
    printed, _, heavy = done.stdout.rpartition("\n--")
    return tuple(heavy.split()), printed.strip()


@check()
def environment_is_left_alone(lab: Lab) -> None:
    """Two registries of one kind live in one process: nothing goes through environment variables."""
    before = dict(os.environ)
    adapter = lab.adapter()
    adapter.probe()
    lab.first(adapter)
    changed = sorted(k for k in before.keys() | os.environ.keys() if before.get(k) != os.environ.get(k))
    require(not changed, f"environment variables changed: {', '.join(changed)}")


@check()
def undeclared_writes_refuse(lab: Lab) -> None:
    """A write that is not declared raises UnsupportedError, before anything reaches the backend."""
    key = Key("version", "waypost-no-such-version")
    arguments: dict[Capability, tuple[Any, ...]] = {
        Capability.SET_STAGE: (key, "stage", "x"),
        Capability.SET_ALIAS: (Key("model", "waypost-no-such-model"), "x", None),
        Capability.SET_TAGS: (key, {}),
        Capability.REGISTER: (Registration(model="waypost-no-such-model", source="s3://x/y"),),
        Capability.DELETE: (key,),
        Capability.CREATE_MODEL: (NewModel(name="waypost-no-such-model"),),
        Capability.RENAME: (Key("model", "waypost-no-such-model"), "x"),
        Capability.DESCRIBE: (key, "x"),
        Capability.SET_TRAFFIC: (Key("endpoint", "waypost-no-such-endpoint"), {key: 100.0}),
    }
    adapter = lab.main
    for capability in set(Capability) - adapter.capabilities:
        method = getattr(adapter, capability.value)
        refused(partial(method, *arguments[capability]), UnsupportedError, doing=capability.value)
