#!/usr/bin/env bash
# The `sagemaker` SDK 3 raises KeyError after each version that it has registered, so whoever tries again registers a twin.
#
# Versions: sagemaker-core 2.27.0, boto3 as it brings it; Python 3.11. Answers are given in botocore, nothing is sent.
# Behaviour: `ModelPackage.create` in a group sends CreateModelPackage, which the service answers by the ARN alone, and then
#   looks for `ModelPackageName` in its own arguments, which a version of a group has not. `get_all` finds the version.
# Output seen:
#   sent CreateModelPackage, then KeyError 'ModelPackageName'
# Run by hand. Exit code 1 when that has changed.
set -euo pipefail
script=$(realpath "$0")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check sagemaker-core==2.27.0
cat > "$folder/seen.py" <<'PYTHON'
import json
import warnings

import boto3
from botocore.awsrequest import AWSResponse

warnings.simplefilter("ignore")
from sagemaker.core.resources import ModelPackage

sent = []


class Raw:
    def __init__(self, content):
        self.content = content

    def stream(self, *about, **more):
        yield self.content


def answered(request, **more):
    sent.append(request.headers["X-Amz-Target"].decode().rpartition(".")[2])
    arn = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/churn/1"
    return AWSResponse(request.url, 200, {}, Raw(json.dumps({"ModelPackageArn": arn}).encode()))


keys = {"aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": "secret", "region_name": "eu-west-1"}
session = boto3.Session(**keys)
session.events.register("before-send.sagemaker.*", answered)
try:
    ModelPackage.create(model_package_group_name="churn", session=session, region="eu-west-1")
    print("sent", sent[0], "and no more")
except KeyError as error:
    print(f"sent {sent[0]}, then KeyError {error}")
PYTHON
export HOME="$folder" AWS_DEFAULT_REGION=eu-west-1
diff <(sed -n 's/^#   \(sent .*\)/\1/p' "$script") <("$folder/env/bin/python" "$folder/seen.py" 2> "$folder/log" || tail -3 "$folder/log")
echo "as described"
