"""The calls to STS and SNS that matter here. Unlike SageMaker, they speak form-encoded queries and XML."""

from datetime import UTC, datetime
from xml.sax.saxutils import escape

from adapters.emulators.sagemaker.account import Account, ApiCall, ServiceError

_XMLNS = "https://sts.amazonaws.com/doc/2011-06-15/"


def get_caller_identity(account: Account, call: ApiCall) -> str:
    """`GetCallerIdentity`."""
    identity = account.actor(call.access_key)["IamIdentity"]
    return _answer(
        "GetCallerIdentity",
        f"<Arn>{escape(identity['Arn'])}</Arn><UserId>{escape(identity['PrincipalId'])}</UserId>"
        f"<Account>{account.account_id}</Account>",
    )


def assume_role(account: Account, call: ApiCall) -> str:
    """`AssumeRole`: a session key that acts as the role from now on."""
    role, session = call.params.get("RoleArn", ""), call.params.get("RoleSessionName", "")
    if ":role/" not in role or not session:
        raise ServiceError("ValidationError", "RoleArn and RoleSessionName are required")
    key = f"ASIA{next(account.serials):016d}"
    arn = role.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/") + f"/{session}"
    account.sessions[key] = arn
    expires = datetime.fromtimestamp(account.tick() + 3600, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return _answer(
        "AssumeRole",
        f"<Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>secret-of-{key}</SecretAccessKey>"
        f"<SessionToken>token-of-{key}</SessionToken><Expiration>{expires}</Expiration></Credentials>"
        f"<AssumedRoleUser><Arn>{escape(arn)}</Arn><AssumedRoleId>AROA:{escape(session)}</AssumedRoleId></AssumedRoleUser>",
    )


def confirm_subscription(account: Account, call: ApiCall) -> str:
    """`ConfirmSubscription` of SNS, with whatever token."""
    topic, token = call.params.get("TopicArn", ""), call.params.get("Token", "")
    if not topic or not token:
        raise ServiceError("InvalidParameter", "TopicArn and Token are required")
    account.confirmed[topic] = token
    return _answer("ConfirmSubscription", f"<SubscriptionArn>{escape(topic)}:{len(token)}</SubscriptionArn>")


def refusal(error: ServiceError) -> str:
    """A `ServiceError` as STS writes it."""
    return (
        f'<ErrorResponse xmlns="{_XMLNS}"><Error><Type>Sender</Type><Code>{error.code}</Code>'
        f"<Message>{escape(error.message)}</Message></Error><RequestId>emulator</RequestId></ErrorResponse>"
    )


def _answer(action: str, inner: str) -> str:
    return (
        f'<{action}Response xmlns="{_XMLNS}"><{action}Result>{inner}</{action}Result>'
        f"<ResponseMetadata><RequestId>emulator</RequestId></ResponseMetadata></{action}Response>"
    )


QUERIES = {
    "GetCallerIdentity": get_caller_identity,
    "AssumeRole": assume_role,
    "ConfirmSubscription": confirm_subscription,
}
