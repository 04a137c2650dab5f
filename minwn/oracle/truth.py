"""Another name for `oracle.reference.truth`, kept for imports that use it."""

from .reference.truth import Expected as Expected
from .reference.truth import OracleFault as OracleFault
from .reference.truth import Second as Second
from .reference.truth import expected as expected
from .reference.truth import second as second
