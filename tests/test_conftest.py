"""Which cases of a test are quick, and what the collector of garbage need not look at."""

from __future__ import annotations

import gc
from types import SimpleNamespace

import pytest

from .conftest import pytest_collection_modifyitems


class Item:
    def __init__(self, nodeid):
        self.nodeid, self.slow = nodeid, False

    def add_marker(self, mark):
        assert mark == pytest.mark.slow
        self.slow = True


def quick(names, count=8):
    items = [Item(name) for name in names]
    pytest_collection_modifyitems(SimpleNamespace(getoption={"--cases": count}.get), items)
    assert [item.nodeid for item in items] == names  # in their order
    return {item.nodeid for item in items if not item.slow}


def test_some_cases_of_each_test_are_quick():
    few = [f"a.py::test_few[{i}]" for i in range(8)]
    many = [f"a.py::Test::test_many[{i}-{dtype}]" for i in range(50) for dtype in "fd"]
    found = quick([*many, *few, "a.py::test_one"])
    assert found > {*few, "a.py::test_one"}
    drawn = found & set(many)
    assert len(drawn) == 8
    assert {name[-2] for name in drawn} == {"f", "d"}
    assert drawn == quick(many[::-1])
    assert quick(many, 1000) == set(many)


def test_what_was_collected_is_no_work_for_the_collector_of_garbage():
    assert gc.isenabled()
    assert gc.get_freeze_count() > 10_000
