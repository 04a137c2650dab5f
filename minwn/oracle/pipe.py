"""Another name for `oracle.targets.pipe`, as in the first edition."""

from .targets.pipe import Pipe as Pipe
from .targets.pipe import PipeError as PipeError
