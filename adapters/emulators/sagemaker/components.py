"""Inference components: models that share the instances of a variant, each called by its name."""

from adapters.emulators.sagemaker.account import (
    Account,
    ApiCall,
    ServiceError,
    Value,
    created_between,
    page_of,
)
from adapters.emulators.sagemaker.endpoints import endpoint

_SUMMARY = (
    "CreationTime",
    "InferenceComponentArn",
    "InferenceComponentName",
    "EndpointArn",
    "EndpointName",
    "VariantName",
    "InferenceComponentStatus",
    "LastModifiedTime",
)


def create_component(account: Account, call: ApiCall) -> Value:
    """`CreateInferenceComponent`: of a model, of a container's artifacts, or of an adapter of another component."""
    arn = account.arn("inference-component", call.params["InferenceComponentName"])
    if arn in account.components:
        raise ServiceError("ValidationException", f"Cannot create already existing inference component {arn}")
    where = endpoint(account, call.params["EndpointName"])
    copies = call.params.get("RuntimeConfig", {}).get("CopyCount", 1)
    now = account.tick()
    account.components[arn] = {
        "InferenceComponentName": call.params["InferenceComponentName"],
        "InferenceComponentArn": arn,
        "EndpointName": where["EndpointName"],
        "EndpointArn": where["EndpointArn"],
        "VariantName": call.params.get("VariantName") or _base(account, call.params)["VariantName"],
        **_specified(account, call.params),
        "RuntimeConfig": {"DesiredCopyCount": copies, "CurrentCopyCount": copies},
        "CreationTime": now,
        "LastModifiedTime": now,
        "InferenceComponentStatus": "InService",
    }
    account.tag(arn, call.params.get("Tags", []))
    return {"InferenceComponentArn": arn}


def describe_component(account: Account, call: ApiCall) -> Value:
    """`DescribeInferenceComponent`."""
    return _component(account, call.params["InferenceComponentName"])


def list_components(account: Account, call: ApiCall) -> Value:
    """`ListInferenceComponents`, of all endpoints or of one."""
    wanted = {
        "EndpointName": call.params.get("EndpointNameEquals"),
        "VariantName": call.params.get("VariantNameEquals"),
        "InferenceComponentStatus": call.params.get("StatusEquals"),
    }
    rows = [
        row
        for row in created_between(account.components.values(), call.params)
        if all(value in (None, row[name]) for name, value in wanted.items())
        and call.params.get("NameContains", "") in row["InferenceComponentName"]
    ]
    reverse = call.params.get("SortOrder", "Descending") == "Descending"
    shown, rest = page_of(
        rows, call, lambda row: (row["CreationTime"], row["InferenceComponentName"]), reverse
    )
    return {"InferenceComponents": [{name: row[name] for name in _SUMMARY} for row in shown], **rest}


def update_component(account: Account, call: ApiCall) -> Value:
    """`UpdateInferenceComponent`: another specification, another number of copies, or both."""
    row = _component(account, call.params["InferenceComponentName"])
    changed = {**row, "LastModifiedTime": account.tick()}
    if "Specification" in call.params or "Specifications" in call.params:
        for name in ("Specification", "Specifications"):
            changed.pop(name, None)
        changed |= _specified(account, call.params)
    if "RuntimeConfig" in call.params:
        copies = call.params["RuntimeConfig"]["CopyCount"]
        changed["RuntimeConfig"] = {"DesiredCopyCount": copies, "CurrentCopyCount": copies}
    account.components[row["InferenceComponentArn"]] = changed
    return {"InferenceComponentArn": row["InferenceComponentArn"]}


def scale_component(account: Account, call: ApiCall) -> Value:
    """`UpdateInferenceComponentRuntimeConfig`: the number of copies."""
    call = ApiCall({**call.params, "RuntimeConfig": call.params["DesiredRuntimeConfig"]}, call.access_key)
    return update_component(account, call)


def delete_component(account: Account, call: ApiCall) -> Value:
    """`DeleteInferenceComponent`."""
    del account.components[
        _component(account, call.params["InferenceComponentName"])["InferenceComponentArn"]
    ]
    return {}


def _specified(account: Account, params: Value) -> Value:
    if "Specifications" in params:
        return {"Specifications": [_summary(account, one) for one in params["Specifications"]]}
    return {"Specification": _summary(account, params.get("Specification", {}))}


def _summary(account: Account, specification: Value) -> Value:
    model = specification.get("ModelName")
    if model and account.arn("model", model) not in account.models:
        raise ServiceError("ValidationException", f'Could not find model "{model}".')
    found = dict(specification)
    container = found.pop("Container", None)
    if container:
        shown = {name: value for name, value in container.items() if name != "Image"}
        image = {"DeployedImage": {"SpecifiedImage": container["Image"]}} if "Image" in container else {}
        found["Container"] = {**shown, **image}
    return found


def _base(account: Account, params: Value) -> Value:
    name = params.get("Specification", {}).get("BaseInferenceComponentName")
    if not name:
        raise ServiceError(
            "ValidationException", "VariantName is required unless a base inference component is named"
        )
    return _component(account, name)


def _component(account: Account, name: str) -> Value:
    arn = account.arn("inference-component", name)
    if arn not in account.components:
        raise ServiceError("ValidationException", f'Could not find inference component "{arn}".')
    return account.components[arn]
