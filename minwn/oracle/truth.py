"""Another name for `oracle.reference.truth`, as in the first edition."""

from .reference.truth import Expected as Expected
from .reference.truth import OracleFault as OracleFault
from .reference.truth import Second as Second
from .reference.truth import expected as expected
from .reference.truth import second as second
