"""An animal that brings its vendor's whole SDK along at import."""

import numpy as np

from tests.adapters.zoo.enclosure import Sound, breaks


@breaks("import_is_light")
class Heavy(Sound):
    zero = np.zeros(1)
