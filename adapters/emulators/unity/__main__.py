"""`python -m adapters.emulators.unity`: a metastore as a process, until Ctrl-C."""

import argparse

from adapters.emulators.services import run
from adapters.emulators.unity.metastore import Metastore

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="a small Unity Catalog")
    parser.add_argument("--port", type=int, default=8903)
    parser.add_argument("--token", default="", help="what who asks has to show")
    parser.add_argument(
        "--open-source", action="store_true", help="as an open-source server: without aliases"
    )
    parser.add_argument("--models", type=int, default=2, help="how many models it begins with")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    options = parser.parse_args()
    metastore = Metastore(token=options.token, is_databricks=not options.open_source, latency=options.latency)
    for number in range(options.models):
        metastore.put(f"main.default.model-{number}")
    run(metastore, options.port)
