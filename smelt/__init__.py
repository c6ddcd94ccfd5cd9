"""smelt: train it big, ship it small, certify that nothing was lost.

    smelt.load("runs/mytask/export/bundle").predict(["…"])     open a bundle and ask it
    smelt.run("recipe.yaml")                                   data in, certified smaller model out
    smelt.verify("a.jsonl", "b.jsonl", margin=1.0)             judge one predictions file against another

Importing loads nothing; each name is fetched when it is used. `run` and `verify` are rooms of this package too, so these two
modules can be called.
"""

import os
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from smelt.pipeline.run import run
    from smelt.runtime.bundle import open_bundle as load
    from smelt.verify.files import verify

# ONNX Runtime tells its maker of its use unless it is told not to, before it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
__all__ = ["load", "run", "verify"]


class _CallableRun(ModuleType):
    def __call__(self, *args: Any, **options: Any) -> object:  # noqa: ANN401
        from smelt.pipeline.run import run

        return run(*args, **options)


class _CallableVerify(ModuleType):
    def __call__(self, *args: Any, **options: Any) -> object:  # noqa: ANN401
        from smelt.verify.files import verify

        return verify(*args, **options)


_CALLABLE = {"run": _CallableRun, "verify": _CallableVerify}


class _Package(ModuleType):
    """This package: makes the rooms that share a name with a function callable when they are imported."""

    def __setattr__(self, name: str, value: object) -> None:
        if name in _CALLABLE and isinstance(value, ModuleType):
            value.__class__ = _CALLABLE[name]
        super().__setattr__(name, value)

    def __getattr__(self, name: str) -> object:
        if name == "load":
            from smelt.runtime.bundle import open_bundle

            return open_bundle
        if name in _CALLABLE:
            from importlib import import_module

            return import_module(f"smelt.{name}")
        raise AttributeError(f"module 'smelt' has no attribute '{name}'")


sys.modules[__name__].__class__ = _Package
