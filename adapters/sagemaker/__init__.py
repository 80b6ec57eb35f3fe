"""Amazon SageMaker model registry: one AWS account in one region is one backend."""
