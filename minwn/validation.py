"""Arguments of public functions: checked, and converted to the form the code uses.

Each function takes the argument's name and its value, and returns the value; or raises an error
that names the argument, shows the value, and suggests another. NumPy's scalars come
out as Python's, so a rate from `numpy.linspace` is as weak as one that was typed.

Where a check beforehand would cost time in every step, `door` is used: it waits until Python or
NumPy raises an error inside, and then derives a better message from the arguments.
"""

from __future__ import annotations

import contextlib
import difflib
import dis
import functools
import inspect
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from numbers import Integral, Number, Real
from pathlib import Path
from typing import Any, TypeVar

__all__ = [
    "absent", "axes", "choice", "did_you_mean", "door", "explained", "flag", "function", "inside",
    "instance", "kind_of", "mapping", "names", "not_negative", "number", "path", "positive",
    "several", "shape_of", "share", "shown", "texts", "whole",
]


def shown(value: Any) -> str:
    """The value in at most 60 letters: an array or Tensor by its dtype and shape, else its repr."""
    if hasattr(value, "dtype") and isinstance(getattr(value, "shape", ()), tuple) and value.shape:
        return f"a {value.dtype} {type(value).__name__} of shape {tuple(value.shape)}"
    if isinstance(value, Number) and hasattr(value, "item"):
        value = value.item()  # NumPy's number as Python's
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def kind_of(value: Any) -> str:
    """ "a list", "a float": what the value is, in a sentence."""
    return "None" if value is None else f"a {type(value).__name__}"


def number(
    name: str,
    value: Any,
    wanted: str = "a finite number",
    fits: Callable[[float], bool] = math.isfinite,
) -> float:
    """value as a Python number.  Raises ValueError unless it is a real number that `fits`."""
    if isinstance(value, Real) and not isinstance(value, bool):
        plain = int(value) if isinstance(value, Integral) else float(value)
        if fits(plain):
            return plain
    raise ValueError(f"{name}={shown(value)}; give {wanted}")


def positive(name: str, value: Any) -> float:
    """value, a finite number > 0"""
    return number(name, value, "a finite number > 0", lambda x: 0 < x < math.inf)


def not_negative(name: str, value: Any) -> float:
    """value, a finite number >= 0"""
    return number(name, value, "a finite number >= 0", lambda x: 0 <= x < math.inf)


def share(name: str, value: Any) -> float:
    """value, a number from 0 to 1"""
    return number(name, value, "a number from 0 to 1", lambda x: 0 <= x <= 1)


def whole(name: str, value: Any, least: int | None = 1) -> int:
    """value as a Python int.  Raises ValueError unless it is a whole number, and >= least."""
    if _is_whole(value) and (least is None or int(value) >= least):
        return int(value)
    bound = "" if least is None else f" >= {least}"
    raise ValueError(f"{name}={shown(value)}; give a whole number{bound}")


def flag(name: str, value: Any) -> bool:
    """value as a Python bool.  Raises TypeError unless it is True or False."""
    if isinstance(value, bool) or type(value).__name__ == "bool":  # or NumPy's
        return bool(value)
    raise TypeError(f"{name}={shown(value)}; give True or False")


def choice(name: str, value: Any, choices: Iterable[str]) -> str:
    """value.  Raises ValueError unless it is one of the choices."""
    known = list(choices)
    if isinstance(value, str) and value in known:
        return value
    raise ValueError(f"{name}={shown(value)}; choose from {', '.join(known)}")


def names(
    name: str, value: Any, known: Iterable[str], *, one: str, empty: bool = False
) -> tuple[str, ...]:
    """value, several names, as a tuple. one: what each of them is called.

    Raises ValueError for one that is not known, and for none at all unless they may be `empty`.
    """
    known = list(known)
    if not isinstance(value, Iterable) or isinstance(value, str | bytes):
        raise ValueError(f"{name}={shown(value)}; give a list of names, such as {known[:1]}")
    given = tuple(several(name, value, f"a list of names, such as {known[:1]}"))
    for x in given:
        if not isinstance(x, str) or x not in known:
            near = did_you_mean(x, known) if isinstance(x, str) else ""
            more = f", and {len(known) - 8} more" if len(known) > 8 else ""
            raise ValueError(
                f"{name}: no {one} {shown(x)}; choose from {', '.join(known[:8])}{more}{near}"
            )
    if not given and not empty:
        raise ValueError(f"{name}={shown(value)} is empty; choose from {', '.join(known)}")
    return given


def axes(name: str, value: Any, v: int | tuple[int, ...] | None = None) -> tuple[int, ...] | None:
    """value, the axes of an array v that keep a norm each, as a tuple; None for the whole.

    v: its shape, or how many axes it has, from which axes are counted from 0; or None, where it is
    not known yet
    Raises ValueError for anything but axes, each once, IndexError for an axis that v lacks.
    """
    if value is None:
        return None
    given = value if isinstance(value, tuple) else (value,)
    if not all(isinstance(a, Integral) and not isinstance(a, bool) for a in given):
        raise ValueError(
            f"{name}={shown(value)}; give an axis, a tuple of axes, or None for one norm of the "
            f"whole"
        )
    found = tuple(map(int, given))
    if len(set(found)) < len(found):
        raise ValueError(f"{name}={value} names an axis twice; name each axis once")
    if v is None:
        return found
    rank = v if isinstance(v, int) else len(v)
    what = f"of shape {v}" if rank is not v else f"with {v} axis" if v == 1 else f"with {v} axes"
    for a in found:
        if not -rank <= a < rank:
            ways = f"choose from {-rank} to {rank - 1}, a tuple of these, or" if rank else "give"
            raise IndexError(
                f"{name} {a} of a weight {what}; {ways} None for one norm of the whole"
            )
    return tuple(a % rank for a in found)


def did_you_mean(name: str, names: Iterable[str], *, cutoff: float = 0.6) -> str:
    """ "; did you mean 'weight'?" for the closest of the names, or "" where none is close."""
    close = difflib.get_close_matches(name, list(names), n=1, cutoff=cutoff)
    return f"; did you mean {close[0]!r}?" if close else ""


def absent(path: str | os.PathLike[str], what: str = "file") -> str:
    """ "mine.pi: there is no such file; did you mean 'mine.py'?", for a path as it was given."""
    if os.path.isdir(path):
        return f"{os.fspath(path)}: this is a folder; name the files in it"
    if os.path.lexists(path):
        kind = "no ordinary file" if os.path.exists(path) else "a link to a file that is not there"
        return f"{os.fspath(path)}: this is {kind}"
    try:
        others = os.listdir(os.path.dirname(path) or ".")
    except OSError:
        others = []
    near = did_you_mean(os.path.basename(path), others)
    return f"{os.fspath(path)}: there is no such {what}{near}"


def instance(name: str, value: Any, kind: Any, wanted: str) -> Any:
    """value.  Raises TypeError unless it is an instance of the kind."""
    if isinstance(value, kind):
        return value
    raise TypeError(f"{name}={shown(value)}; pass {wanted}{_hint(value)}")


def mapping(name: str, value: Any, wanted: str = "a mapping from names to arrays") -> Any:
    """value.  Raises TypeError unless it is a mapping."""
    return instance(name, value, Mapping, wanted)


def several(name: str, value: Any, wanted: str) -> list[Any]:
    """The items of value.  Raises TypeError unless it has some: text and mappings have not."""
    if isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping):
        with contextlib.suppress(TypeError):  # an array without axes
            return list(value)
    raise TypeError(f"{name}={shown(value)}; pass {wanted}{_hint(value)}")


def texts(name: str, value: Any) -> list[str]:
    """value, names or patterns of names, as a list; one text is a list of one."""
    wanted = "a name as text, or a list of names"
    given = [value] if isinstance(value, str) else several(name, value, wanted)
    if not all(isinstance(x, str) and x for x in given):
        raise TypeError(f"{name}={shown(value)}; pass {wanted}")
    return given


def path(name: str, value: Any) -> Path:
    """value as a Path.  Raises TypeError unless it is text or a path."""
    return Path(instance(name, value, str | os.PathLike, "the path of a file as text or a Path"))


def function(name: str, value: Any, wanted: str = "a function") -> Any:
    """value.  Raises TypeError unless it can be called."""
    if callable(value):
        return value
    raise TypeError(f"{name}={shown(value)}; pass {wanted}, not what it returns")


def shape_of(name: str, value: Any, least: int = 0) -> tuple[int, ...]:
    """value as a shape: a tuple of whole numbers >= least.  One number is a shape of one axis."""
    given = (value,) if isinstance(value, Integral) else value
    if isinstance(given, tuple | list) and all(_is_whole(n) and n >= least for n in given):
        return tuple(int(n) for n in given)
    raise ValueError(f"{name}={shown(value)}; give a tuple of whole numbers >= {least}")


# ---- afterwards ---------------------------------------------------------------------------------

F = TypeVar("F", bound=Callable[..., Any])


def door(f: F) -> F:
    """f, with a sentence in place of an error that Python or NumPy raised inside of minwn."""

    @functools.wraps(f)
    def entered(*args: Any, **options: Any) -> Any:
        try:
            return f(*args, **options)
        except Exception as error:
            said = explained(error, f, args, options)
            if said is None:
                raise
            raise said from error

    return entered  # type: ignore[return-value]


def inside(f: F) -> F:
    """f without its `door`, for calls from within."""
    return f.__wrapped__  # type: ignore[attr-defined, no-any-return]


def explained(
    error: Exception,
    f: Callable[..., Any],
    args: Sequence[Any],
    options: Mapping[str, Any],
    name: str = "",
    advice: str = "",
) -> Exception | None:
    """The error to raise in place of one of f(*args, **options); None where that one is clear.

    That is so where minwn raised it, or a function of the caller's. Else, in this order: an
    argument that f does not have, one that is not what its name stands for (see `_WANTED`; an array
    by default), arguments that do not fit together, for which there may be advice.
    """
    origin, lacking = _origin(error), getattr(error, "obj", None)  # of an AttributeError
    about_one = lacking is not None and any(lacking is x for x in args)
    if not isinstance(error, _VAGUE) or not (
        origin == "inside" or (origin == "ours" and about_one)
    ):
        return None
    name, signature = name or _name(f), inspect.signature(f)
    try:
        bound = signature.bind(*args, **options)
    except TypeError as wrong:
        return TypeError(f"{name}: {_unbound(signature, args, options, str(wrong))}")
    given = list(_given(signature, bound))
    for key, label, value in given:
        fits, wanted = _WANTED.get(key, _ANYTHING if _by_keyword(signature, key) else _ARRAY)
        if not fits(value):
            hint = _hint(value) if fits is _is_array else ""
            return TypeError(f"{name}: {label}={shown(value)}; pass {wanted}{hint}")
    if not given:
        return None
    lost = _lost_axis(given)
    if lost:
        return IndexError(f"{name}: {lost}")
    alone = [label for key, label, x in given if not hasattr(x, "shape") and isinstance(x, Number)]
    alone = [label for label in alone if not _by_keyword(signature, label)]
    if alone and not advice:
        advice = f"{alone[0]} is one number, pass an array or a Tensor"
    *most, last = (f"{label}={shown(value)}" for _, label, value in given)
    text = f"{', '.join(most)} and {last} do not fit together" if most else f"{last} does not fit"
    meant = " ".join((inspect.getdoc(f) or "").partition("\n\n")[0].split())
    kind = IndexError if isinstance(error, IndexError) else ValueError
    return kind("; ".join(filter(None, (f"{name}: {text}", advice, meant))))


def _unbound(
    signature: inspect.Signature, args: Sequence[Any], options: Mapping[str, Any], wrong: str
) -> str:
    """The message where the arguments do not match the signature."""
    known = [key for key in signature.parameters if key != "self"]
    for key in options:
        if key not in known:
            elsewhere = {"dim": "axis", "keepdim": "keepdims"}.get(key, "")
            meant = f"; it is called {elsewhere} here, as in NumPy" if elsewhere in known else ""
            near = meant or did_you_mean(key, known)
            wrong = f"unexpected keyword argument {key!r}{near}"
            break
    if "too many" in wrong:
        wrong = f"{len(args)} positional arguments are too many"
    return f"{wrong}; the arguments are {', '.join(known)}"


def _name(f: Callable[..., Any]) -> str:
    """The caller's name for f; each file of `byhand` has its own forward, vjp, ..."""
    name = f.__qualname__.removesuffix(".__init__").replace("__", "").strip("_")
    *_, shelf, file = ("", *f.__module__.split("."))
    return f"{file}.{name}" if shelf == "byhand" and name != file else name


# The errors of Python and NumPy for arguments of an unexpected kind.
_VAGUE = (TypeError, ValueError, AttributeError, LookupError, ArithmeticError, RecursionError)
_HOME = __name__.partition(".")[0]
# Called by minwn: an error from there is about minwn's own arguments.
_WITHIN = {_HOME, "numpy", "cupy", "ml_dtypes", "contextlib", "copy", "functools"}
_RAISE = dis.opmap["RAISE_VARARGS"]


def _origin(error: Exception) -> str:
    """ "ours" where a `raise` of minwn's made it; "inside" where Python or NumPy did, called by
    minwn; "other" where it comes from code that is not minwn's."""
    trace, home, raised = error.__traceback__, "", False
    while trace is not None:
        frame, place, trace = trace.tb_frame, trace.tb_lasti, trace.tb_next
        home = str(frame.f_globals.get("__name__")).partition(".")[0]
        if home not in _WITHIN:
            return "other"
        raised = frame.f_code.co_code[place] == _RAISE
    return "ours" if home == _HOME and raised else "inside"


def _given(
    signature: inspect.Signature, bound: inspect.BoundArguments
) -> Iterator[tuple[str, str, Any]]:
    """(parameter, what to call it, the value) of every argument that is not as by default."""
    for key, value in bound.arguments.items():
        parameter = signature.parameters[key]
        if key == "self" and not _is_array(value):
            continue
        if parameter.kind is parameter.VAR_POSITIONAL:
            yield from ((key, f"{key}[{i}]", x) for i, x in enumerate(value))
        elif parameter.kind is parameter.VAR_KEYWORD:
            yield from ((name, name, x) for name, x in value.items())
        elif value is not parameter.default and not (value is None and _may_be_none(parameter)):
            yield key, key, value


def _lost_axis(given: Sequence[tuple[str, str, Any]]) -> str:
    """The message for an axis that the first array does not have, else ""."""
    _, label, x = next((item for item in given if hasattr(item[2], "ndim")), ("", "", None))
    axes = next((value for key, _, value in given if key in ("axis", "axes")), ())
    for a in axes if isinstance(axes, tuple | list) else (axes,):
        if x is not None and not -x.ndim <= a < x.ndim:
            there = f"choose from {-x.ndim} to {x.ndim - 1}" if x.ndim else "it has none"
            return f"there is no axis {a} in {label}={shown(x)}; {there}"
    return ""


def _by_keyword(signature: inspect.Signature, key: str) -> bool:
    """Whether it is given by its name alone. Arrays are positional."""
    parameter = signature.parameters.get(key)
    return parameter is None or parameter.kind is parameter.KEYWORD_ONLY


def _may_be_none(parameter: inspect.Parameter) -> bool:
    return "None" in str(parameter.annotation)


def _hint(value: Any) -> str:
    if isinstance(value, type):
        return f", such as {value.__name__}(...)"
    if isinstance(value, list) or hasattr(value, "__array__"):
        return ", such as tensor(...) of it"
    return ""


def _is_array(x: Any) -> bool:
    """Whether x can be computed with: numbers in an array or a Tensor, or one of Python's."""
    kind = getattr(getattr(x, "dtype", None), "kind", None)
    if kind is None or not hasattr(x, "shape"):
        return isinstance(x, Number)
    return kind in "biufc" or x.dtype.name == "bfloat16"


def _is_whole(x: Any) -> bool:
    return isinstance(x, Integral) and not isinstance(x, bool)


def _is_real(x: Any) -> bool:
    return isinstance(x, Real) and not isinstance(x, bool)


def _is_dtype(x: Any) -> bool:
    return isinstance(x, str | type) or hasattr(x, "kind")


def _are(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Whether all items of a tuple or a list fit, or it is itself one that does."""
    return lambda x: all(map(fits, x)) if isinstance(x, tuple | list) else fits(x)


def _are_pairs(x: Any) -> bool:
    return isinstance(x, tuple | list) and all(
        isinstance(pair, tuple | list) and len(pair) == 2 and all(map(_is_whole, pair))
        for pair in x
    )


def _is_index(x: Any) -> bool:
    if isinstance(x, tuple | list):
        return all(map(_is_index, x))
    kind = getattr(getattr(x, "dtype", None), "kind", None)
    return kind in ("b", "i", "u") or isinstance(x, Integral | slice | type(...))


Wanted = tuple[Callable[[Any], bool], str]

_ARRAY: Wanted = (_is_array, "an array or a Tensor of numbers")
_NUMBER: Wanted = (_is_real, "a number")
_WHOLES: Wanted = (_are(_is_whole), "a tuple of whole numbers")
_FLAG: Wanted = (lambda x: isinstance(x, bool), "True or False")
_ANYTHING: Wanted = (lambda x: True, "")

# The kind of an argument of this name, in every function that does not default it to None.
_WANTED: dict[str, Wanted] = {
    "axis": (_are(_is_whole), "a whole number, a tuple of them, or None"),
    "axes": (_are(_is_whole), "a tuple of whole numbers, or None"),
    "shape": _WHOLES,
    "size": _WHOLES,
    "kernel": _WHOLES,
    "stride": _WHOLES,
    "dilation": _WHOLES,
    "widths": (_are_pairs, "one pair (before, after) of whole numbers for each axis"),
    "padding": (
        lambda x: isinstance(x, str) or _are(_is_whole)(x) or _are_pairs(x),
        "a whole number, or one pair (before, after) of them for each dimension",
    ),
    "index": (_is_index, "whole numbers, slices, None, '...', or arrays of whole numbers or bools"),
    "n": _ARRAY,
    "arrays": (
        lambda x: isinstance(x, tuple | list) and all(map(_is_array, x)),
        "a list of arrays or Tensors",
    ),
    "subscripts": (lambda x: isinstance(x, str), "text such as 'ij,jk->ik'"),
    "lengths": (_are(_is_whole), "a whole number, or a list of them"),
    "device": (lambda x: isinstance(x, str), "'cpu', 'cuda', 'cuda:1', ..."),
    "dtype": (_is_dtype, "the name of a dtype, such as 'float32'"),
    "low": _NUMBER,
    "high": _NUMBER,
    "slope": _NUMBER,
    "alpha": _NUMBER,
    "eps": _NUMBER,
    "ddof": (_is_whole, "a whole number"),
    "start": (_is_whole, "a whole number"),
    **dict.fromkeys(
        (
            "affine",
            "allow_unused",
            "bias",
            "create_graph",
            "elementwise_affine",
            "keepdims",
            "requires_grad",
            "retain_graph",
            "strict",
        ),
        _FLAG,
    ),
    "state": (lambda x: isinstance(x, Mapping), "what state_dict() gave"),
    **dict.fromkeys(("answer", "form", "groups", "mode", "reduction", "targets"), _ANYTHING),
}
