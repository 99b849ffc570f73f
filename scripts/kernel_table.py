#!/usr/bin/python3
"""Prints what nvcc says of each kernel on each architecture, as a table of Markdown.

scripts/kernel_table.py LOG

LOG is what nvcc has printed with -Xptxas=-v. A cell is registers / bytes of shared memory / bytes spilled / bytes of
stack. The exit status is 1, and stderr names it, where a kernel or a function that it calls spills, where nothing is said
of one, and where the log holds no kernel.
"""

import argparse
import dataclasses
import pathlib
import re
import subprocess
import sys
from typing import Dict, List, Optional, Tuple

ENTRY = re.compile(r"Compiling entry function '(\S+)' for '(\w+)'")
FUNCTION = re.compile(r"Function properties for (\S+)")
STACK = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
USED = re.compile(r"Used (\d+) registers")
SHARED = re.compile(r"(\d+) bytes smem")


@dataclasses.dataclass
class Usage:
    """What one function needs on one architecture; None: nothing was said of it."""

    kernel: bool
    registers: Optional[int] = None
    shared: int = 0
    spilled: Optional[int] = None
    stack: int = 0

    def cell(self) -> str:
        registers = "-" if self.registers is None else self.registers
        return f"{registers} / {self.shared} / {self.spilled} / {self.stack}"


Usages = Dict[Tuple[str, str], Usage]  # by name and architecture


def read(log: str) -> Usages:
    usages: Usages = {}
    kernel = function = None
    architecture = ""
    for line in log.splitlines():
        entry, begins, stack, used = (pattern.search(line) for pattern in (ENTRY, FUNCTION, STACK, USED))
        if entry:
            architecture = entry[2]
            kernel = usages[entry[1], architecture] = Usage(True)
        elif begins:
            function = usages.setdefault((begins[1], architecture), Usage(False))
        elif stack and function:
            function.stack, function.spilled = int(stack[1]), int(stack[2]) + int(stack[3])
            function = None
        elif used and kernel:
            shared = SHARED.search(line)
            kernel.registers, kernel.shared = int(used[1]), int(shared[1]) if shared else 0
            kernel = None
    return usages


def readable(names: List[str]) -> Dict[str, str]:
    """Without parameters, results and the namespaces that all kernels are in."""
    done = subprocess.run(["c++filt", "--no-params"], input="\n".join(names), capture_output=True, encoding="utf-8", check=True)
    short = [re.sub(r"^void |\(anonymous namespace\)::|\bsln::cuda::|\((?:int|unsigned int|bool)\)(?=-?\w)", "", line)
             for line in done.stdout.splitlines()]
    return dict(zip(names, short))


def table(usages: Usages, names: Dict[str, str]) -> List[str]:
    architectures = sorted({architecture for _, architecture in usages}, key=lambda name: int(re.sub(r"\D", "", name)))
    lines = ["| kernel | " + " | ".join(architectures) + " |", "|---" * (1 + len(architectures)) + "|"]
    for mangled, name in sorted(names.items(), key=lambda item: item[1]):
        cells = [usages[mangled, one].cell() if (mangled, one) in usages else "" for one in architectures]
        lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log", type=pathlib.Path)
    log = parser.parse_args().log
    usages = read(log.read_text(encoding="utf-8", errors="replace"))
    if not any(usage.kernel for usage in usages.values()):
        print(f"{log}: expected kernels in it, found none: were they compiled, with -Xptxas=-v?", file=sys.stderr)
        return 1
    names = readable(sorted({name for name, _ in usages}))
    print("\n".join(table(usages, names)))
    wrong = 0
    for (mangled, architecture), usage in sorted(usages.items()):
        if usage.spilled is None or (usage.kernel and usage.registers is None):
            wrong += 1
            print(f"{log}: {names[mangled]} on {architecture}: its figures are missing", file=sys.stderr)
        elif usage.spilled > 0:
            wrong += 1
            print(f"{log}: {names[mangled]} on {architecture} spills {usage.spilled} bytes", file=sys.stderr)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
