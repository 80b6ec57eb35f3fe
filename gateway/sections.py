"""What every table of the configuration has in common."""

from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, create_model

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema


class Section(BaseModel):
    """A table of the file: values are checked, unknown keys are mistakes."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class StructTable:
    """`Annotated[T, StructTable()]`: a table whose keys are the fields of a struct of the federation, as their `Meta`
    describes them. It is checked as every other, and given as the struct.
    """

    def __get_pydantic_core_schema__(self, struct: Any, handler: "GetCoreSchemaHandler") -> "CoreSchema":
        import msgspec
        from pydantic_core.core_schema import no_info_after_validator_function

        def read(table: Section) -> Any:
            return msgspec.convert(table.model_dump(by_alias=True), struct)

        return no_info_after_validator_function(read, handler(section_of(struct)))


@cache
def section_of(struct: Any) -> type[Section]:
    """The table that a struct describes."""
    import msgspec

    fields: dict[str, Any] = {}
    for one in msgspec.structs.fields(struct):
        said = next(
            (each for each in get_args(one.type)[1:] if isinstance(each, msgspec.Meta)), msgspec.Meta()
        )
        kind = get_args(one.type)[0] if get_origin(one.type) is Annotated else one.type
        default = ... if one.default is msgspec.NODEFAULT else one.default
        if isinstance(default, msgspec.Struct):
            default = msgspec.to_builtins(default)
        limits = {name: getattr(said, name) for name in ("ge", "min_length", "max_length", "description")}
        fields[f"{one.name}_"] = (
            _table(kind),
            Field(default, alias=one.encode_name, validate_default=True, **limits),
        )
    return create_model(struct.__name__, __base__=Section, __doc__=struct.__doc__, **fields)


def _table(kind: Any) -> Any:
    """A type of a field, each struct in it as its table."""
    import msgspec

    if get_origin(kind) is tuple:
        inner: Any = _table(get_args(kind)[0])
        return tuple[inner, ...]
    return section_of(kind) if isinstance(kind, type) and issubclass(kind, msgspec.Struct) else kind


def table_in(annotation: Any) -> type[BaseModel] | None:
    """The table that a field of a table is, or has several of; None where it is a value."""
    for one in (annotation, *get_args(annotation)):
        if get_origin(one) is Annotated and any(isinstance(each, StructTable) for each in get_args(one)):
            return section_of(get_args(one)[0])
        if isinstance(one, type) and issubclass(one, BaseModel):
            return one
    return None
