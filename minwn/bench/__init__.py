"""`minwn bench`: the same work by minwn and by its peers, side by side in one process.

Everyone is warm, takes turns, and is held by the tests to the same numbers; what is reported is
the median over the rounds of minwn's time divided by the peer's in the same round, with quartiles,
beside the ratio that was to be reached (see `work` and `timing`). Below 1, minwn is ahead.
Machines are shared, so a time by itself says little.
"""

from .command import arguments, main

__all__ = ["arguments", "main"]
