"""Models, endpoint configurations and endpoints with the weights of their variants."""

from typing import Any

from adapters.emulators.sagemaker.account import (
    Account,
    ApiCall,
    ServiceError,
    Value,
    created_between,
    page_of,
)


def create_model(account: Account, call: ApiCall) -> Value:
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


def create_config(account: Account, call: ApiCall) -> Value:
    """`CreateEndpointConfig`: the models of its variants must exist."""
    arn = account.arn("endpoint-config", call.params["EndpointConfigName"])
    if arn in account.configs:
        raise ServiceError(
            "ValidationException", f"Cannot create already existing endpoint configuration {arn}"
        )
    for variant in [*call.params["ProductionVariants"], *call.params.get("ShadowProductionVariants", [])]:
        if "ModelName" in variant:
            _found(account.models, account.arn("model", variant["ModelName"]), "model")
    kept = {key: value for key, value in call.params.items() if key != "Tags"}
    account.configs[arn] = {**kept, "EndpointConfigArn": arn, "CreationTime": account.tick()}
    return {"EndpointConfigArn": arn}


def create_endpoint(account: Account, call: ApiCall) -> Value:
    """`CreateEndpoint`: in service, with the weights of its configuration, after the account's `deployment_seconds`."""
    arn = account.arn("endpoint", call.params["EndpointName"])
    if arn in account.endpoints:
        raise ServiceError("ValidationException", f"Cannot create already existing endpoint {arn}")
    _config(account, call.params["EndpointConfigName"])
    now = account.tick()
    account.endpoints[arn] = {
        "EndpointName": call.params["EndpointName"],
        "EndpointArn": arn,
        "EndpointStatus": "Creating",
        "EndpointConfigName": call.params["EndpointConfigName"],
        "CreationTime": now,
        "LastModifiedTime": now,
    }
    account.tag(arn, call.params.get("Tags", []))
    _deploy(account, arn, call.params["EndpointConfigName"])
    return {"EndpointArn": arn}


def update_endpoint(account: Account, call: ApiCall) -> Value:
    """`UpdateEndpoint`: serves another configuration after the account's `deployment_seconds`."""
    row = endpoint(account, call.params["EndpointName"])
    if row["EndpointStatus"] not in ("InService", "UpdateRollbackFailed"):
        status = row["EndpointStatus"]
        raise ServiceError("ValidationException", f"Cannot update in-progress endpoint: it is {status}")
    _config(account, call.params["EndpointConfigName"])
    changed = {**row, "EndpointStatus": "Updating", "LastModifiedTime": account.tick()}
    account.endpoints[row["EndpointArn"]] = changed
    _deploy(account, row["EndpointArn"], call.params["EndpointConfigName"])
    return {"EndpointArn": row["EndpointArn"]}


def update_weights(account: Account, call: ApiCall) -> Value:
    """`UpdateEndpointWeightsAndCapacities`."""
    row = endpoint(account, call.params["EndpointName"])
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


def describe_model(account: Account, call: ApiCall) -> Value:
    """`DescribeModel`."""
    return _found(account.models, account.arn("model", call.params["ModelName"]), "model")


def describe_config(account: Account, call: ApiCall) -> Value:
    """`DescribeEndpointConfig`."""
    return _config(account, call.params["EndpointConfigName"])


def describe_endpoint(account: Account, call: ApiCall) -> Value:
    """`DescribeEndpoint`."""
    return endpoint(account, call.params["EndpointName"])


def endpoint(account: Account, name: str) -> Value:
    """An endpoint as it is now. Raises ServiceError where there is none."""
    settle(account)
    return _found(account.endpoints, account.arn("endpoint", name), "endpoint")


def settle(account: Account) -> None:
    """Carry the deployments that are under way as far as they are by now."""
    for arn, (config, began) in list(account.deployments.items()):
        row = account.endpoints.get(arn)
        done = (account.now() - began) / account.deployment_seconds if account.deployment_seconds else 1.0
        if row is None or done >= 1:
            del account.deployments[arn]
        if row is not None:
            account.endpoints[arn] = (
                _deployed(account, row, config) if done >= 1 else _rolling(account, row, config, done)
            )


def _deploy(account: Account, arn: str, config: str) -> None:
    account.deployments[arn] = (config, account.now())
    settle(account)


def _deployed(account: Account, row: Value, config: str) -> Value:
    if config in account.broken_configs and "ProductionVariants" in row:
        return {**_rolling(account, row, config, 0.9), "EndpointStatus": "UpdateRollbackFailed"}
    if config in account.broken_configs:
        return {
            **row,
            "EndpointStatus": "Failed",
            "FailureReason": "The container did not pass its health check.",
        }
    kept = {name: row[name] for name in ("EndpointName", "EndpointArn", "CreationTime")}
    return {
        **kept,
        "EndpointStatus": "InService",
        "LastModifiedTime": account.tick(),
        **_serving(account, config),
    }


def _rolling(account: Account, row: Value, config: str, done: float) -> Value:
    """An endpoint while it is being deployed: the new variants take requests after a third of the time."""
    status = "Creating" if done < 1 / 3 else "ActivatingTraffic" if done < 2 / 3 else "Baking"
    serving = _serving(account, config)
    pending: Value = {"EndpointConfigName": config}
    for kind in ("ProductionVariants", "ShadowProductionVariants"):
        if kind in serving:
            pending[kind] = [{**each, "VariantStatus": [{"Status": status}]} for each in serving[kind]]
    return {**row, "PendingDeploymentSummary": pending}


def _config(account: Account, name: str) -> Value:
    return _found(account.configs, account.arn("endpoint-config", name), "endpoint configuration")


def delete_model(account: Account, call: ApiCall) -> Value:
    """`DeleteModel`."""
    return _delete(account.models, account.arn("model", call.params["ModelName"]), "model")


def delete_config(account: Account, call: ApiCall) -> Value:
    """`DeleteEndpointConfig`."""
    arn = account.arn("endpoint-config", call.params["EndpointConfigName"])
    return _delete(account.configs, arn, "endpoint configuration")


def delete_endpoint(account: Account, call: ApiCall) -> Value:
    """`DeleteEndpoint`."""
    return _delete(account.endpoints, account.arn("endpoint", call.params["EndpointName"]), "endpoint")


def list_models(account: Account, call: ApiCall) -> Value:
    """`ListModels`."""
    shown, rest = _listed(account.models, call, "ModelName")
    return {"Models": [_chosen(row, "ModelName", "ModelArn", "CreationTime") for row in shown], **rest}


def list_configs(account: Account, call: ApiCall) -> Value:
    """`ListEndpointConfigs`."""
    shown, rest = _listed(account.configs, call, "EndpointConfigName")
    names = ("EndpointConfigName", "EndpointConfigArn", "CreationTime")
    return {"EndpointConfigs": [_chosen(row, *names) for row in shown], **rest}


def list_endpoints(account: Account, call: ApiCall) -> Value:
    """`ListEndpoints`."""
    settle(account)
    shown, rest = _listed(account.endpoints, call, "EndpointName")
    names = ("EndpointName", "EndpointArn", "CreationTime", "LastModifiedTime", "EndpointStatus")
    return {"Endpoints": [_chosen(row, *names) for row in shown], **rest}


def _serving(account: Account, config_name: str) -> Value:
    """What an endpoint of this configuration shows of its variants."""
    config = _config(account, config_name)
    return {
        "EndpointConfigName": config_name,
        **{
            kind: [_variant(account, each) for each in config[kind]]
            for kind in ("ProductionVariants", "ShadowProductionVariants")
            if kind in config
        },
    }


def _variant(account: Account, variant: Value) -> Value:
    weight = variant.get("InitialVariantWeight", 1.0)
    found: Value = {"VariantName": variant["VariantName"], "CurrentWeight": weight, "DesiredWeight": weight}
    if "ServerlessConfig" in variant:
        found |= dict.fromkeys(
            ("CurrentServerlessConfig", "DesiredServerlessConfig"), variant["ServerlessConfig"]
        )
    else:
        count = variant.get("InitialInstanceCount", 1)
        found |= {"CurrentInstanceCount": count, "DesiredInstanceCount": count}
    model = (
        account.models.get(account.arn("model", variant["ModelName"]), {}) if "ModelName" in variant else {}
    )
    images = [each["Image"] for each in containers(model) if "Image" in each]
    if images:
        found["DeployedImages"] = [{"SpecifiedImage": image} for image in images]
    return found


def containers(model: Value) -> list[Value]:
    """The containers of a model object."""
    return [model["PrimaryContainer"]] if "PrimaryContainer" in model else list(model.get("Containers", []))


def _listed(store: dict[str, Value], call: ApiCall, name: str) -> tuple[list[Value], Value]:
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
