"""Kernels for GPUs, and the emulator that runs them without one."""
