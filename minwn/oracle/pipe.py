"""Another name for `oracle.targets.pipe`, kept for imports that use it."""

from .targets.pipe import Pipe as Pipe
from .targets.pipe import PipeError as PipeError
