"""Acts, written into the journal as they happen: who did what to which objects, and how it ended.

It changes nothing about an act: same arguments, same answer, same refusals.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from reconciler.simulator.kernel.journal import linked
from reconciler.simulator.kernel.refusals import Refusal

_Class = TypeVar("_Class", bound=type)


def noted(cls: _Class) -> _Class:
    """Every public method of this class is an act, inherited ones too."""
    for name in dir(cls):
        method = getattr(cls, name)
        if not name.startswith("_") and callable(method):
            setattr(cls, name, _noting(method))
    return cls


def names(acts: object) -> list[str]:
    """Every act there is."""
    return [
        name
        for name in sorted(dir(type(acts)))
        if not name.startswith("_") and callable(getattr(acts, name))
    ]


def _noting(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def act(self: Any, *args: Any, **given: Any) -> Any:
        if getattr(self, "_acting", False):  # part of another act, which is noted as a whole
            return method(self, *args, **given)
        self._acting = True
        done, refused = None, None
        try:
            done = method(self, *args, **given)
        except Refusal as refusal:
            refused = str(refusal)
            raise
        finally:
            self._acting = False
            if done is not None or refused:
                _note(self, method.__name__, (*args, *given.values()), done, refused)
        return done

    return act


def _note(acts: Any, name: str, passed: tuple[Any, ...], done: Any, refused: str | None) -> None:
    world = acts._world
    thing = done if isinstance(done, dict) else {"id": done}
    named = [value for value in passed if isinstance(value, str) and "_" in value]
    known = [value for value in named if world.find(value) is not None]
    about = (*linked(thing), *known)
    found = next((where for where in map(world.find, about) if where is not None), None)
    account = found[0].id if found else world.platform
    world.journal.note("act", account, about, act=name, refused=refused)
