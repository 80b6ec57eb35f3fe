"""Amazon SageMaker model registry: one AWS account in one region is one backend.

boto3 is imported when it is first needed.
"""

from adapters.sagemaker.adapter import SageMakerAdapter
from adapters.sagemaker.config import SageMakerConfig

__all__ = ["SageMakerAdapter", "SageMakerConfig"]
