"""`waypost validate`: would a version take what stands in a file?"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.client import ask, of_reference
from gateway.cli.completion import references
from gateway.cli.failure import NO, OK, CommandError
from gateway.cli.screen import emit_json, emit_table, say

PARQUET = "reading a Parquet file takes pyarrow: pip install 'waypost[parquet]'"


def validate(
    context: typer.Context,
    ref: Annotated[
        str,
        typer.Argument(
            help="registry/model:version, …@alias or …@stage:production", autocompletion=references
        ),
    ],
    file: Annotated[
        Path,
        typer.Argument(
            help="a request as MLflow's server takes it or a list of records (.json), a .csv or a .parquet"
        ),
    ],
) -> int:
    """Hold a request against what a version takes, by MLflow's rules, column by column. Exit code 1: it is refused."""
    found = ask(context.obj, "POST", f"/versions/{of_reference(ref)}/validate", body=_request(file))
    if context.obj.json:
        emit_json(found)
    elif found["problems"]:
        rows = [
            (one["column"], "" if one["row"] is None else one["row"], one["problem"])
            for one in found["problems"]
        ]
        emit_table(("COLUMN", "ROW", "PROBLEM"), rows)
    for name in found["ignored"]:
        say(f"{name} is ignored: the version does not know it")
    if found["unchecked"]:
        say(f"not checked, their types are not known here: {', '.join(found['unchecked'])}")
    unknown = "may take it" if found["unchecked"] else "says nowhere what it takes"
    words = {"yes": "takes it", "no": "does not take it", "unknown": unknown}
    say(f"{found['ref']} {words[found['verdict']]} ({found['way']})")
    return NO if found["verdict"] == "no" else OK


def _request(file: Path) -> Any:
    try:
        if file.suffix in (".parquet", ".pq"):
            return {"parquet": list(_columns(file))}
        text = file.read_text("utf-8")
    except (OSError, UnicodeError) as error:
        raise CommandError(
            f"{file} cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8'}"
        ) from None
    if file.suffix == ".csv":
        return {"csv": text}
    try:
        found = json.loads(text)
    except ValueError as error:
        raise CommandError(f"{file} is no JSON: {error}") from None
    return {"dataframe_records": found} if isinstance(found, list) else found


def _columns(file: Path) -> Iterator[dict[str, Any]]:
    """The columns, a batch of rows at a time: what matters is whether a value is missing, and how far numbers go."""
    try:
        import pyarrow.compute as arrow
        from pyarrow import ArrowException, types
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise CommandError(PARQUET) from None
    try:
        with ParquetFile(file) as table:
            for field in table.schema_arrow:
                found: dict[str, Any] = {"name": field.name, "type": str(field.type), "nulls": False}
                for batch in table.iter_batches(columns=[field.name]):
                    column = batch.column(0)
                    found["nulls"] = found["nulls"] or column.null_count > 0
                    if types.is_integer(field.type) and column.null_count < len(column):
                        least, most = arrow.min_max(column).as_py().values()
                        found["minimum"] = min(least, found.get("minimum", least))
                        found["maximum"] = max(most, found.get("maximum", most))
                yield found
    except ArrowException as error:
        raise CommandError(f"{file} is no Parquet file: {str(error).splitlines()[0][:200]}") from None
