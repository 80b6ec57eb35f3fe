"""`python -m adapters.emulators.kubeflow`: a registry as a process, until Ctrl-C."""

import argparse

from adapters.emulators.kubeflow.registry import KubeflowRegistry
from adapters.emulators.services import run

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="a small model registry of Kubeflow's")
    parser.add_argument("--port", type=int, default=8902)
    parser.add_argument("--models", type=int, default=2, help="how many models it begins with")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    options = parser.parse_args()
    registry = KubeflowRegistry(latency=options.latency)
    for number in range(options.models):
        registry.put(f"model-{number}")
    run(registry, options.port)
