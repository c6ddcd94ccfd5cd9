"""What can go wrong and be mended by a person. Everything else is a defect of ours and keeps its traceback.

SmeltError            1  failed while running
├── UsageFault        2  the command line
│   └── RecipeFaults  2  the recipe, every fault of it at once
├── DataFault         4  rows, labels, ids
└── EnvironmentFault  5  disk, memory, packages, a bundle that was changed
    └── BundleFault   5  a bundle or model folder that must not be used
"""

from collections.abc import Sequence
from dataclasses import dataclass

from smelt.language import say


class SmeltError(Exception):
    """A fault with a place and a next step. `str()` of it is what the user reads, without a traceback."""

    exit_code = 1

    def __init__(self, message: str, *, step: str = "") -> None:
        """Take what was found and where (`message`) and what to do next (`step`), both already translated."""
        super().__init__(f"{message}\n  {step}" if step else message)
        self.message = message
        self.step = step


class UsageFault(SmeltError):
    """The command line asks for something that cannot be."""

    exit_code = 2


class DataFault(SmeltError):
    """Rows, labels or ids are not what the recipe says."""

    exit_code = 4


class EnvironmentFault(SmeltError):
    """The machine cannot do it: a missing package, a full disk, an unreadable file."""

    exit_code = 5


class BundleFault(EnvironmentFault):
    """A bundle or a model folder that is damaged, changed or unsafe."""


@dataclass(frozen=True, kw_only=True)
class RecipeFault:
    """One fault of a recipe. `line` and `column` count from 1; 0 means that no place is known."""

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        """Show the place first, as compilers do."""
        return f"{self.file}:{self.line}:{self.column}  {self.path}: {self.message}"


class RecipeFaults(UsageFault):
    """Every fault of one recipe, in the order of its lines."""

    def __init__(self, file: str, faults: Sequence[RecipeFault]) -> None:
        """Sort and number the faults."""
        self.faults = sorted(faults, key=lambda fault: (fault.line, fault.column, fault.path))
        head = say("{file}: 1 fault", file=file) if len(faults) == 1 else say("{file}: {n} faults", file=file, n=len(faults))
        super().__init__("\n".join([head, *(f"  {fault}" for fault in self.faults)]))
