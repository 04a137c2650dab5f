"""A run of a whole layer: its checks, its case for paper, the name of the mistake, the verdict."""
