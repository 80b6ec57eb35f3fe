"""Models, endpoint configurations and endpoints with the weights of their variants."""

from typing import Any

from adapters.sagemaker.emulator.account import Account, Call, ServiceError, Value, created_between, page_of


def create_model(account: Account, call: Call) -> Value:
    """`CreateModel`: its containers may name model packages, which must exist."""
    arn = account.arn("model", call.params["ModelName"])
    if arn in account.models:
        raise ServiceError("ValidationException", f"Cannot create already existing model {arn}")
    for container in [call.params.get("PrimaryContainer", {}), *call.params.get("Containers", [])]:
        package = container.get("ModelPackageName")
        if package and account.arn("model-package", package) not in account.packages:
            raise ServiceError("ValidationException", f"Could not find model package {package}")
    kept = {key: value for key, value in call.params.items() if key != "Tags"}
    account.models[arn] = {**kept, "ModelArn": arn, "CreationTime": account.tick()}
    account.tag(arn, call.params.get("Tags", []))
    return {"ModelArn": arn}


def create_config(account: Account, call: Call) -> Value:
    """`CreateEndpointConfig`: the models of its variants must exist."""
    arn = account.arn("endpoint-config", call.params["EndpointConfigName"])
    if arn in account.configs:
        raise ServiceError(
            "ValidationException", f"Cannot create already existing endpoint configuration {arn}"
        )
    for variant in call.params["ProductionVariants"]:
        if "ModelName" in variant:
            _found(account.models, account.arn("model", variant["ModelName"]), "model")
    kept = {key: value for key, value in call.params.items() if key != "Tags"}
    account.configs[arn] = {**kept, "EndpointConfigArn": arn, "CreationTime": account.tick()}
    return {"EndpointConfigArn": arn}


def create_endpoint(account: Account, call: Call) -> Value:
    """`CreateEndpoint`: in service at once, with the weights of its configuration."""
    arn = account.arn("endpoint", call.params["EndpointName"])
    if arn in account.endpoints:
        raise ServiceError("ValidationException", f"Cannot create already existing endpoint {arn}")
    now = account.tick()
    account.endpoints[arn] = {
        "EndpointName": call.params["EndpointName"],
        "EndpointArn": arn,
        "EndpointStatus": "InService",
        "CreationTime": now,
        "LastModifiedTime": now,
        **_serving(account, call.params["EndpointConfigName"]),
    }
    account.tag(arn, call.params.get("Tags", []))
    return {"EndpointArn": arn}


def update_endpoint(account: Account, call: Call) -> Value:
    """`UpdateEndpoint`: serves another configuration from now on."""
    row = _found(account.endpoints, account.arn("endpoint", call.params["EndpointName"]), "endpoint")
    serving = _serving(account, call.params["EndpointConfigName"])
    account.endpoints[row["EndpointArn"]] = {**row, **serving, "LastModifiedTime": account.tick()}
    return {"EndpointArn": row["EndpointArn"]}


def update_weights(account: Account, call: Call) -> Value:
    """`UpdateEndpointWeightsAndCapacities`."""
    row = _found(account.endpoints, account.arn("endpoint", call.params["EndpointName"]), "endpoint")
    wanted = {
        change["VariantName"]: change.get("DesiredWeight")
        for change in call.params["DesiredWeightsAndCapacities"]
    }
    variants = [dict(variant) for variant in row["ProductionVariants"]]
    if unknown := wanted.keys() - {variant["VariantName"] for variant in variants}:
        raise ServiceError("ValidationException", f"The variants {sorted(unknown)} do not exist")
    for variant in variants:
        weight = wanted.get(variant["VariantName"])
        if weight is not None:
            variant |= {"CurrentWeight": weight, "DesiredWeight": weight}
    account.endpoints[row["EndpointArn"]] = {
        **row,
        "ProductionVariants": variants,
        "LastModifiedTime": account.tick(),
    }
    return {"EndpointArn": row["EndpointArn"]}


def describe_model(account: Account, call: Call) -> Value:
    """`DescribeModel`."""
    return _found(account.models, account.arn("model", call.params["ModelName"]), "model")


def describe_config(account: Account, call: Call) -> Value:
    """`DescribeEndpointConfig`."""
    name = call.params["EndpointConfigName"]
    return _found(account.configs, account.arn("endpoint-config", name), "endpoint configuration")


def describe_endpoint(account: Account, call: Call) -> Value:
    """`DescribeEndpoint`."""
    return _found(account.endpoints, account.arn("endpoint", call.params["EndpointName"]), "endpoint")


def delete_model(account: Account, call: Call) -> Value:
    """`DeleteModel`."""
    return _delete(account.models, account.arn("model", call.params["ModelName"]), "model")


def delete_config(account: Account, call: Call) -> Value:
    """`DeleteEndpointConfig`."""
    arn = account.arn("endpoint-config", call.params["EndpointConfigName"])
    return _delete(account.configs, arn, "endpoint configuration")


def delete_endpoint(account: Account, call: Call) -> Value:
    """`DeleteEndpoint`."""
    return _delete(account.endpoints, account.arn("endpoint", call.params["EndpointName"]), "endpoint")


def list_models(account: Account, call: Call) -> Value:
    """`ListModels`."""
    shown, rest = _listed(account.models, call, "ModelName")
    return {"Models": [_chosen(row, "ModelName", "ModelArn", "CreationTime") for row in shown], **rest}


def list_configs(account: Account, call: Call) -> Value:
    """`ListEndpointConfigs`."""
    shown, rest = _listed(account.configs, call, "EndpointConfigName")
    names = ("EndpointConfigName", "EndpointConfigArn", "CreationTime")
    return {"EndpointConfigs": [_chosen(row, *names) for row in shown], **rest}


def list_endpoints(account: Account, call: Call) -> Value:
    """`ListEndpoints`."""
    shown, rest = _listed(account.endpoints, call, "EndpointName")
    names = ("EndpointName", "EndpointArn", "CreationTime", "LastModifiedTime", "EndpointStatus")
    return {"Endpoints": [_chosen(row, *names) for row in shown], **rest}


def _serving(account: Account, config_name: str) -> Value:
    config = _found(account.configs, account.arn("endpoint-config", config_name), "endpoint configuration")
    variants = []
    for variant in config["ProductionVariants"]:
        weight, count = variant.get("InitialVariantWeight", 1.0), variant.get("InitialInstanceCount", 1)
        variants.append(
            {
                "VariantName": variant["VariantName"],
                "CurrentWeight": weight,
                "DesiredWeight": weight,
                "CurrentInstanceCount": count,
                "DesiredInstanceCount": count,
            }
        )
    return {"EndpointConfigName": config_name, "ProductionVariants": variants}


def _listed(store: dict[str, Value], call: Call, name: str) -> tuple[list[Value], Value]:
    after = call.params.get("LastModifiedTimeAfter")
    before = call.params.get("LastModifiedTimeBefore")
    status = call.params.get("StatusEquals")
    rows = [
        row
        for row in created_between(store.values(), call.params)
        if call.params.get("NameContains", "") in row[name]
        and (after is None or row["LastModifiedTime"] > after)
        and (before is None or row["LastModifiedTime"] < before)
        and (status is None or row["EndpointStatus"] == status)
    ]
    by_name = call.params.get("SortBy") == "Name"

    def order(row: Value) -> Any:
        return (row[name],) if by_name else (row["CreationTime"], row[name])

    # These listings are newest first unless told otherwise, unlike those of packages.
    return page_of(rows, call, order, call.params.get("SortOrder", "Descending") == "Descending")


def _found(store: dict[str, Value], arn: str, what: str) -> Value:
    if arn not in store:
        raise ServiceError("ValidationException", f'Could not find {what} "{arn}".')
    return store[arn]


def _delete(store: dict[str, Value], arn: str, what: str) -> Value:
    _found(store, arn, what)
    del store[arn]
    return {}


def _chosen(row: Value, *names: str) -> Value:
    return {name: row[name] for name in names if name in row}
