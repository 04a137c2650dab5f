"""`minwn bench`: the same work by minwn and by its peers, in turns in one process.

All are warmed up first, and the tests hold them to the same numbers. The report has the median over
the rounds of minwn's time divided by the peer's in the same round, with quartiles, and the target
ratio (see `work` and `timing`). Below 1, minwn is ahead. Machines are shared, so ratios mean more
than times.
"""

from .command import arguments, main

__all__ = ["arguments", "main"]
