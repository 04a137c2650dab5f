"""Another name for `oracle.reference.error_bounds`, kept for imports that use it."""

from .reference.error_bounds import Bounds as Bounds
from .reference.error_bounds import SecondBounds as SecondBounds
from .reference.error_bounds import bounds as bounds
from .reference.error_bounds import counts as counts
from .reference.error_bounds import excess as excess
from .reference.error_bounds import second_bounds as second_bounds
from .reference.error_bounds import sizes as sizes
