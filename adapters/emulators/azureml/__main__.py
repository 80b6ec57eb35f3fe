"""`python -m adapters.emulators.azureml`: a workspace as a process, until Ctrl-C."""

import argparse

from adapters.emulators.azureml.workspace import AzureWorkspace
from adapters.emulators.services import run

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="a small workspace of Azure ML")
    parser.add_argument("--port", type=int, default=8905)
    parser.add_argument("--token", default="azure-token", help="the bearer token that is taken")
    parser.add_argument("--models", type=int, default=2, help="how many models it begins with")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    options = parser.parse_args()
    workspace = AzureWorkspace(token=options.token, latency=options.latency)
    for number in range(options.models):
        workspace.put(f"model-{number}")
    run(workspace, options.port)
