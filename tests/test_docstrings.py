"""Docstrings: nothing public is without one, tools see signatures, and every example is true."""

from __future__ import annotations

import doctest
import importlib
import inspect
import operator
import pkgutil
import pydoc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import minwn
from minwn import nn, ops
from minwn.graph import Primitive
from minwn.site import API, DERIVATIONS

# What examples start with, as the site says: import numpy as np; from minwn import *
NAMES = {"np": np, **{name: getattr(minwn, name) for name in minwn.__all__}}


PACKAGE = Path(minwn.__file__).parent
ALL = [  # but for what needs other libraries, and what runs when it is imported
    "minwn", *(
        info.name for info in pkgutil.walk_packages(minwn.__path__, "minwn.")
        if ".adapters." not in info.name and not info.name.endswith("__main__")
    ),
]
WITH_EXAMPLES = [
    path for path in sorted(PACKAGE.rglob("*.py"))
    if "\n    >>> " in path.read_text(encoding="utf-8")
]


def public(module: str) -> Iterator[tuple[str, object]]:
    """(dotted name, thing) of all in a module's `__all__`, and of the public parts of classes."""
    home = importlib.import_module(module)
    for name in getattr(home, "__all__", ()):
        thing = getattr(home, name)
        if not inspect.ismodule(thing):
            yield f"{module}.{name}", thing
        if inspect.isclass(thing):
            for part in dir(thing):
                static = inspect.getattr_static(thing, part)
                if part[0] != "_" and type(static).__name__ != "_Elsewhere":
                    yield f"{module}.{name}.{part}", getattr(thing, part)


def undocumented(names: Iterator[tuple[str, object]]) -> list[str]:
    """Those of the functions, classes and properties for which tools have nothing to show."""
    return [
        name for name, thing in names
        if (inspect.isclass(thing) or inspect.isroutine(thing) or isinstance(thing, property))
        and not inspect.getdoc(thing)
    ]


def test_what_has_no_docstring_is_found():
    class Bare:
        def method(self): ...

        @property
        def value(self): ...

    def bare(): ...

    things = [("method", Bare.method), ("value", Bare.value), ("bare", bare), ("sum", ops.sum)]
    assert undocumented(iter(things)) == ["method", "value", "bare"]


def test_everything_public_has_a_docstring():
    assert set(API | DERIVATIONS) <= set(ALL)
    assert not [name for module in ALL for name in undocumented(public(module))]


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_are_true(path):
    name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    module = importlib.import_module(name.removesuffix(".__init__"))
    result = doctest.testmod(module, extraglobs=NAMES)
    assert result.attempted
    assert not result.failed


LED_TO = """
    WeightNorm byhand.weight_norm.forward byhand.weight_norm.vjp grad gradcheck.gradcheck
    interop.convert jvp nn.Conv2d nn.Linear nn.MaxPool2d nn.WeightNormWrapper nn.cross_entropy
    nn.data_dependent_init nn.fold nn.normalise_ no_grad optim.SGD oracle.check oracle.expected
    oracle.vectors.load tensor vjp
"""


@pytest.mark.parametrize("name", LED_TO.split())
def test_what_the_readme_leads_to_has_an_example(name):
    thing = operator.attrgetter(name)(minwn)
    assert ">>> " in inspect.getdoc(thing)


def test_help_shows_the_signature_and_docstring_of_operations():
    for name in ops.__all__:
        op = getattr(ops, name)
        text = pydoc.render_doc(op, renderer=pydoc.plaintext)
        assert f"\n{name}(" in text
        assert inspect.getdoc(op).splitlines()[0] in text
        if isinstance(op, Primitive):
            assert inspect.signature(op) == inspect.signature(op.forward)


def test_an_operation_in_a_class_takes_no_self():
    class Layer:
        activation = ops.relu

    assert Layer().activation is Layer.activation is ops.relu


def test_signatures_of_layers_have_names_and_defaults():
    for name in nn.__all__:
        thing = getattr(nn, name)
        if inspect.isclass(thing) and issubclass(thing, nn.Module) and name != "Sequential":
            kinds = {p.kind for p in inspect.signature(thing).parameters.values()}
            assert not kinds & {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    conv = inspect.signature(nn.Conv2d).parameters
    assert [*conv][:3] == ["in_channels", "out_channels", "kernel_size"]
    assert (conv["stride"].default, conv["bias"].default, conv["rng"].default) == (1, True, None)
