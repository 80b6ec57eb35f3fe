"""All of the zoo."""

from tests.adapters.zoo import changing, heavy, moving, paging, shapes, telling, writing
from tests.adapters.zoo.enclosure import Sound

ANIMALS: tuple[type[Sound], ...] = tuple(
    value
    for module in (shapes, heavy, paging, changing, moving, telling, writing)
    for name, value in vars(module).items()
    if isinstance(value, type) and value.__module__ == module.__name__
    if issubclass(value, Sound) and not name.startswith("_")
)
