"""How a user of SageMaker finds and serves a version: lines to be pasted as they are."""

from shlex import quote

from adapters.contract import Snippet
from adapters.records import VersionRecord
from adapters.sagemaker.config import SageMakerConfig
from adapters.sagemaker.keys import arn_of

_ROLE = '"${SAGEMAKER_ROLE_ARN:?set it to the role that the model runs as}"'
"""What a snippet for the shell takes from the environment."""


def snippets(config: SageMakerConfig, model: str, version: VersionRecord) -> tuple[Snippet, ...]:
    """Python and the shell; where the registry has an endpoint of its own, that is named."""
    arn, region, url = arn_of(version.key), config.region, config.endpoint_url
    at, named = (f", endpoint_url={url!r}", f" --endpoint-url {quote(url)}") if url else ("", "")
    describe = (
        "import boto3\n\n"
        f"sagemaker = boto3.client('sagemaker', region_name={region!r}{at})\n"
        f"package = sagemaker.describe_model_package(ModelPackageName={arn!r})"
    )
    deploy = (
        f"aws sagemaker create-model --region {region}{named} "
        f"--model-name {quote(f'{model}-{version.version}')} \\\n"
        f"  --execution-role-arn {_ROLE} --primary-container {quote(f'ModelPackageName={arn}')}"
    )
    return (
        Snippet("Describe with boto3", "python", describe),
        Snippet("Make it servable", "shell", deploy),
    )
