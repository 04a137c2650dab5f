"""The sums of `byhand`, faster: other orders of the same sums for NumPy, and kernels for GPUs."""
