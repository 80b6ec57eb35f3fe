"""MLflow's model registry, over its REST API."""

from adapters.mlflow.adapter import MlflowAdapter
from adapters.mlflow.config import MlflowConfig

__all__ = ["MlflowAdapter", "MlflowConfig"]
