"""Uploads, promotes and lists a model by Vertex AI's SDK, whose address is the only argument."""

import json
import sys
from typing import Any

from google.auth.credentials import AnonymousCredentials
from google.cloud import aiplatform

aiplatform.init(
    project="demo", location="us-central1", credentials=AnonymousCredentials(), api_endpoint=sys.argv[1]
)
image = {"serving_container_image_uri": "gcr.io/x/y:1", "display_name": "churn"}
aiplatform.Model.upload(model_id="churn", artifact_uri="gs://m/1", labels={"team": "risk"}, **image)
more: dict[str, Any] = {"is_default_version": False, "version_aliases": ["champion"]}
aiplatform.Model.upload(
    parent_model="churn", artifact_uri="gs://m/2", version_description="better", **more, **image
)
registry = aiplatform.models.ModelRegistry("churn")
registry.add_version_aliases(["challenger"], "1")
versions = {one.version_id: sorted(one.version_aliases) for one in registry.list_versions()}
listed = [one.name for one in aiplatform.Model.list(filter="labels.team=risk")]
print(json.dumps([listed, versions]))
