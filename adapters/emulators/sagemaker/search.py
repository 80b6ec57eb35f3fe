"""`Search` over model packages, groups and endpoints: filters, both ways of sorting, 100 a page."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from adapters.emulators.sagemaker.account import Account, ApiCall, ServiceError, Value, page_of
from adapters.emulators.sagemaker.endpoints import settle

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "Equals": lambda have, want: have == want,
    "NotEquals": lambda have, want: have != want,
    "GreaterThan": lambda have, want: have is not None and have > want,
    "GreaterThanOrEqualTo": lambda have, want: have is not None and have >= want,
    "LessThan": lambda have, want: have is not None and have < want,
    "LessThanOrEqualTo": lambda have, want: have is not None and have <= want,
    "Contains": lambda have, want: have is not None and want in have,
}
_TIMES = ("CreationTime", "LastModifiedTime")


def search(account: Account, call: ApiCall) -> Value:
    """`Search`: newest change first unless told otherwise."""
    resource = call.params["Resource"]
    rows = _rows(account, resource)
    expression = call.params.get("SearchExpression")
    if expression:
        rows = [row for row in rows if _matches(row, expression)]
    sort_by = call.params.get(
        "SortBy", "LastModifiedTime" if resource != "ModelPackageGroup" else "CreationTime"
    )
    arn = f"{resource}Arn"

    def order(row: Value) -> Any:
        value = _property(row, sort_by)
        return ("" if value is None else value, row[arn])

    reverse = call.params.get("SortOrder", "Descending") == "Descending"
    shown, rest = page_of(rows, call, order, reverse)
    return {"Results": [{resource: row} for row in shown], **rest}


def _rows(account: Account, resource: str) -> list[Value]:
    hidden: tuple[str, ...] = ()
    if resource == "ModelPackage":
        hidden, store = ("ManagedStorageType",), account.packages
    elif resource == "ModelPackageGroup":
        hidden, store = ("ManagedConfiguration",), account.groups
    elif resource == "Endpoint":
        settle(account)
        store = account.endpoints
    else:
        raise ServiceError("ValidationException", f"This emulator cannot search for {resource}")
    tags = _no_tags if account.is_torn else _tags
    return [
        {key: value for key, value in row.items() if key not in hidden} | tags(account, arn)
        for arn, row in store.items()
    ]


def _no_tags(account: Account, arn: str) -> Value:
    return {}


def _tags(account: Account, arn: str) -> Value:
    tags = account.tag_list(arn)
    return {"Tags": tags} if tags else {}


def _matches(row: Value, expression: Value) -> bool:
    if "NestedFilters" in expression:
        raise ServiceError("ValidationException", "This emulator has no nested filters")
    checks = [_filter(row, found) for found in expression.get("Filters", [])]
    checks += [_matches(row, inner) for inner in expression.get("SubExpressions", [])]
    return any(checks) if expression.get("Operator") == "Or" else all(checks)


def _filter(row: Value, wanted: Value) -> bool:
    name, operator = wanted["Name"], wanted.get("Operator", "Equals")
    have = _property(row, name)
    if operator in ("Exists", "NotExists"):
        return bool((have is not None) == (operator == "Exists"))
    if "Value" not in wanted:
        raise ServiceError("ValidationException", f"The filter on {name} needs a value")
    if operator == "In":
        return str(have) in wanted["Value"].split(",")
    return _OPERATORS[operator](have, _typed(name, have, wanted["Value"]))


def _typed(name: str, have: Any, value: str) -> Any:
    if name in _TIMES:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError as error:
            raise ServiceError(
                "ValidationException", f"{name} must be written YYYY-mm-dd'T'HH:MM:SS"
            ) from error
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return type(have)(value) if isinstance(have, int | float) and not isinstance(have, bool) else value


def _property(row: Value, path: str) -> Any:
    if path.startswith("Tags."):
        return next((tag["Value"] for tag in row.get("Tags", []) if tag["Key"] == path[5:]), None)
    value: Any = row
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value
