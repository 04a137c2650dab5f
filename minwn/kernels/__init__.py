"""The sums of `byhand`, faster: other orders of the same sums for NumPy, and kernels for GPUs.

`conv` and `weight_norm` are tables: a row for each way, with its rule and its gain.
"""
