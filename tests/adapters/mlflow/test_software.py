"""What the files beside a model name as its software."""

import pytest

from adapters.errors import BadRecordError
from adapters.mlflow.schema import parse_mlmodel
from adapters.mlflow.software import of_conda, of_requirements
from adapters.records import Environment

CONDA = b"""
name: mlflow-env
channels: [conda-forge]
dependencies:
- python=3.10.12
- pip<=23
- libgcc=13.2
- pip:
  - mlflow==2.9
  - torch[extra]==2.1.0+cu118
"""


def test_requirements_are_names_with_their_versions_or_bounds() -> None:
    lines = b"mlflow==3.17.2\nNumPy>=1.2,<2 # why\npandas\nA_b.c[x,y]===1.0;python_version<'4'\n-r more.txt\n\nx @ https://h/x"
    assert of_requirements(lines).libraries == {
        "mlflow": "3.17.2",
        "numpy": ">=1.2,<2",
        "pandas": "",
        "a-b-c": "1.0",
    }


def test_a_conda_file_names_python_and_both_kinds_of_packages() -> None:
    assert of_conda(CONDA) == Environment(
        libraries={"libgcc": "13.2", "mlflow": "2.9", "torch": "2.1.0+cu118"},
        python="3.10.12",
        file="conda.yaml",
    )
    with pytest.raises(BadRecordError, match=r"conda\.yaml"):
        of_conda(b"a: [")


@pytest.mark.parametrize(
    ("flavours", "framework"),
    [
        ("{python_function: {loader_module: mlflow.sklearn}, sklearn: {}}", "sklearn"),
        ("{python_function: {loader_module: mlflow.pyfunc.model}}", None),
        ("{python_function: {loader_module: mlflow.tensorflow}, keras: {}, tensorflow: {}}", "tensorflow"),
        ("{onnx: {}, sklearn: {}}", None),
        ("[]", None),
        ("{sklearn: 7}", None),
    ],
)
def test_the_framework_is_the_flavour_that_loads_it(flavours: str, framework: str | None) -> None:
    assert parse_mlmodel(f"flavors: {flavours}".encode()).framework == framework
