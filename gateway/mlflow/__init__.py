"""MLflow's dialect: the registry part of its REST API over any registry, at `/mlflow/{registry}`."""
