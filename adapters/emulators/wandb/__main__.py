"""`python -m adapters.emulators.wandb`: an organisation's registries as a process, until Ctrl-C."""

import argparse

from adapters.emulators.services import run
from adapters.emulators.wandb.organization import Organization

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="a small Weights & Biases")
    parser.add_argument("--port", type=int, default=8904)
    parser.add_argument("--key", default="wandb-key", help="the API key that is taken")
    parser.add_argument("--models", type=int, default=2, help="how many collections it begins with")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    options = parser.parse_args()
    organization = Organization(key=options.key, latency=options.latency)
    for number in range(options.models):
        organization.put(f"model/model-{number}")
    run(organization, options.port)
