"""Other processes of this installation."""

import sys


def program(module: str, *words: str) -> list[str]:
    """The command that runs a module that is installed here, whatever lies in the working directory: a folder there
    that is called `adapters`, `gateway` or `mlflow` would be taken for the package of that name.
    """
    return [sys.executable, "-P", "-m", module, *words]
