"""Python begins with this, where it is on the path: the package then finds what another system has, and no more.

PIXEL_EDU_PRETEND is win32 or darwin. Only pixel_edu's own modules are deceived; Python and all other packages go on as
they are, for what they do elsewhere is theirs to test. PIXEL_EDU_LACKING lists what is hidden, as `os.fork fcntl`.
"""

import builtins
import os
import types


def pretend(platform: str, lacking: set[str]) -> None:
    """Hide some modules and parts of modules of the standard library from the package."""
    real = builtins.__import__

    class Elsewhere(types.ModuleType):
        """A module without what is hidden."""

        def __init__(self, module) -> None:
            super().__init__(module.__name__)
            self.__dict__["_module"] = module

        def __getattr__(self, name: str):
            module = self.__dict__["_module"]
            if f"{module.__name__}.{name}" in lacking:
                raise AttributeError(f"{module.__name__} has no {name} on {platform}")
            if (module.__name__, name) == ("sys", "platform"):
                return platform
            return getattr(module, name)

        def __setattr__(self, name: str, value) -> None:
            setattr(self.__dict__["_module"], name, value)

    class NoLibrary:
        def __call__(self, name, *rest, **options):
            raise TypeError("there is no C library by that name")

    def imported(name, globals=None, locals=None, fromlist=(), level=0):
        ours = str((globals or {}).get("__name__", "")).startswith("pixel_edu")
        main = (globals or {}).get("__spec__") and globals["__spec__"].name.startswith("pixel_edu")
        if not (ours or main) or level:
            return real(name, globals, locals, fromlist, level)
        if name in lacking:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        found = real(name, globals, locals, fromlist, level)
        if name in ("os", "select", "signal", "socket", "sys"):
            return Elsewhere(found)
        if name == "ctypes":
            fake = Elsewhere(found)
            fake.__dict__["CDLL"] = NoLibrary()
            return fake
        return found

    builtins.__import__ = imported


if "PIXEL_EDU_PRETEND" in os.environ:
    pretend(os.environ["PIXEL_EDU_PRETEND"], set(os.environ["PIXEL_EDU_LACKING"].split()))
