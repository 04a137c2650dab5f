"""One function to start from, and several parameterisations to train it in.

    "plain"     the weights w themselves
    "paper"     w = g v / ||v||, v as drawn from N(0, 0.05^2), g and b from a batch
    "matched"   w = g v / ||v||, v = w and g = ||w||

The three start as the same function, the one that data-dependent initialisation gives, so what
sets them apart afterwards is the parameterisation; and "paper" from "matched" the length of v only.
"drawn" leaves the weights as drawn, for networks whose layers are followed by a BatchNorm: on the
first batch they compute the same as well.
"""

from __future__ import annotations

from minwn import nn

# what a figure calls them
WAYS = {
    "plain": "plain", "WN, v of the paper": "paper", "WN, v = w": "matched", "batch norm": "drawn",
}
STD = 0.05  # of the entries of v: the paper's choice


class Started(nn.Module):
    """A body, its weights drawn, scaled by a batch and parameterised; its forward is the body's."""

    def __init__(self, body, how, batch, rng):
        self.body, self.norm = body, nn.WeightNorm(dim="output")
        self.layers = [m for m in body.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
        for layer in self.layers:
            layer.weight.data = nn.init.normal(layer.weight.shape, STD, rng, layer.weight.dtype)
        self.normalised = []
        if how != "drawn":
            self.each(self.norm.apply)
            self.normalised = self.layers
            nn.data_dependent_init(self, *batch)
        if how in ("plain", "matched"):
            self.each(self.norm.remove)
            self.normalised = []
        if how == "matched":
            self.each(self.norm.apply)
            self.normalised = self.layers

    def each(self, f):
        for layer in self.layers:
            f(layer)

    def forward(self, *inputs):
        for layer in self.normalised:
            self.norm.recompute(layer)
        return self.body(*inputs)
