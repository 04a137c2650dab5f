"""The statements that an answer needs: all of them, no others, in the order in which they ran."""

from __future__ import annotations

import pytest

from minwn.course.excerpt import excerpt, record

CASES = {
    "nothing else": (["x = 1", "def f(): return 2", "y = f()"], "f", ["def f(): return 2"]),
    "what it reads": (["k = 3\nj = 4", "def f(): return k"], "f", ["k = 3", "def f(): return k"]),
    "what it reads is defined below": (
        ["def f(): return g()", "def g(): return 1"], "f",
        ["def f(): return g()", "def g(): return 1"],
    ),
    "a local of the same name is its own": (["k = 3", "def f(k): return k"], "f", [
        "def f(k): return k",
    ]),
    "the last run counts": (["def f(): return 1", "def f(): return 2"], "f", ["def f(): return 2"]),
    "what runs at once takes what stood above it": (
        ["k = 1", "j = k + 1", "k = 5", "def f(): return j"], "f",
        ["k = 1", "j = k + 1", "def f(): return j"],
    ),
    "a table that is filled": (
        ["R = {}", "R['a'] = 1", "print(R)", "def f(): return R"], "f",
        ["R = {}", "R['a'] = 1", "def f(): return R"],
    ),
    "a number that grows": (["n = 1", "n += 1", "def f(): return n"], "f", [
        "n = 1", "n += 1", "def f(): return n",
    ]),
    "imports": (
        ["import numpy as np\nimport os", "from math import pi, e\ndef f(): return np.sin(pi)"],
        "f",
        ["import numpy as np", "from math import pi, e", "def f(): return np.sin(pi)"],
    ),
    "decorators, defaults and base classes": (
        ["def d(g): return g", "k = 2", "class A: pass", "@d\ndef f(x=k): return A"], "f",
        ["def d(g): return g", "k = 2", "class A: pass", "@d\ndef f(x=k): return A"],
    ),
    "a class and its methods": (
        ["k = 1", "class A:\n    j = k\n    def go(self): return h()", "def h(): return A"], "h",
        ["k = 1", "class A:\n    j = k\n    def go(self): return h()", "def h(): return A"],
    ),
    "comprehensions": (["n = 3", "t = [i for i in range(n)]"], "t", [
        "n = 3", "t = [i for i in range(n)]",
    ]),
    "inner functions": (
        ["k = 1", "def f():\n    def g():\n        return k\n    return g"], "f",
        ["k = 1", "def f():\n    def g():\n        return k\n    return g"],
    ),
    "two on a line": (["a = 1; b = 2"], "b", ["b = 2"]),
    "statements with a body": (["for i in range(3):\n    s = i"], "s", [
        "for i in range(3):\n    s = i",
    ]),
    "comments inside stay": (["def f():\n    # why\n    return 1  # how"], "f", [
        "def f():\n    # why\n    return 1  # how",
    ]),
    "magics and broken cells are left out": (
        ["%matplotlib inline\nk = 1\n!ls", "def (", "?k", "def f(): return k"], "f",
        ["k = 1", "def f(): return k"],
    ),
    "a line that begins with % is no magic": (["k = (7\n% 4)"], "k", ["k = (7\n% 4)"]),
    "what a function changes when it is called": (
        ["R = {}", "def fill(): R[0] = spam()", "def f(): return R"], "f",
        ["R = {}", "def f(): return R"],
    ),
    "an expression": (["k = 2", "def g(x): return x"], "lambda v: g(k * v)", [
        "k = 2", "def g(x): return x",
    ]),
    "a name that is nowhere": (["def f(): return spam"], "f", ["def f(): return spam"]),
}


@pytest.mark.parametrize("name", CASES)
def test_an_excerpt(name):
    cells, expression, expected = CASES[name]
    assert excerpt(cells, expression).split("\n\n") == expected


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        ('check("5.2", f)', "f"),
        ('ok = course.check("5.2", answer=g)', "g"),
        ('check("5.2", f)\ncheck("5.2", lambda v: f(v))', "lambda v: f(v)"),
        ('assert check("5.2", f) and check("5.3", g)', "f"),
        ('check("5.3", f)', None),
        ('def later(): check("5.2", f)', None),
        ('check("5.2"', None),
        ("", None),
    ],
)
def test_the_answer_is_what_the_last_cell_hands_to_check(cell, name):
    found = record("5.2", ["def f(v): return v", 'check("5.2", other)', cell])
    assert (found and found["name"]) == name
    if name and "f" in name:
        assert found["source"] == ["def f(v): return v"]
    assert record("5.2", []) is None
