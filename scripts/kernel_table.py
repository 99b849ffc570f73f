#!/usr/bin/python3
"""Prints what nvcc says of each kernel on each architecture, as a table of Markdown.

scripts/kernel_table.py LOG [--limit 'KERNEL=REGISTERS']... [--write FILE]

LOG is what nvcc has printed with -Xptxas=-v. A cell is registers / bytes of shared memory / bytes spilled / bytes of
stack. --write puts the table between the two comments of FILE that say "kernel table", and keeps the columns there of
architectures that the log does not have: no one nvcc compiles for all. The exit status is 1, and stderr names it, where a
kernel or a function that it calls spills, where a kernel has more registers than its limit, where nothing is said of one,
and where the log holds no kernel; then nothing is written.
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
BEGIN, END = "<!-- kernel table: begin -->", "<!-- kernel table: end -->"
PLACE = re.compile(re.escape(BEGIN) + "(.*?)" + re.escape(END), re.DOTALL)


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


Cells = Dict[Tuple[str, str], str]  # by readable name and architecture


def table(cells: Cells) -> List[str]:
    architectures = sorted({architecture for _, architecture in cells}, key=lambda name: int(re.sub(r"\D", "", name)))
    lines = ["| kernel | " + " | ".join(architectures) + " |", "|---" * (1 + len(architectures)) + "|"]
    for name in sorted({name for name, _ in cells}):
        lines.append(f"| `{name}` | " + " | ".join(cells.get((name, one), "") for one in architectures) + " |")
    return lines


def read_table(lines: List[str]) -> Cells:
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines if line.startswith("|")]
    return {(row[0].strip("`"), architecture): cell
            for row in rows[2:] for architecture, cell in zip(rows[0][1:], row[1:]) if cell}


def write(path: pathlib.Path, cells: Cells) -> None:
    """Kernels that the log does not name are gone, and so are their cells of other architectures."""
    text = path.read_text(encoding="utf-8")
    if len(PLACE.findall(text)) != 1:
        sys.exit(f"{path}: expected one place for the table, between {BEGIN} and {END}, found {len(PLACE.findall(text))}")
    now = {name for name, _ in cells}
    logged = {architecture for _, architecture in cells}
    kept = {(name, architecture): cell for (name, architecture), cell in read_table(PLACE.search(text)[1].splitlines()).items()
            if name in now and architecture not in logged}
    lines = "\n".join([BEGIN, *table({**kept, **cells}), END])
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(PLACE.sub(lambda _: lines, text), encoding="utf-8")
    temporary.replace(path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log", type=pathlib.Path)
    parser.add_argument("--limit", action="append", default=[], metavar="KERNEL=REGISTERS")
    parser.add_argument("--write", type=pathlib.Path, metavar="FILE")
    options = parser.parse_args()
    log = options.log
    limits = {kernel: int(registers) for kernel, _, registers in (limit.rpartition("=") for limit in options.limit)}
    usages = read(log.read_text(encoding="utf-8", errors="replace"))
    if not any(usage.kernel for usage in usages.values()):
        print(f"{log}: expected kernels in it, found none: were they compiled, with -Xptxas=-v?", file=sys.stderr)
        return 1
    names = readable(sorted({name for name, _ in usages}))
    cells = {(names[mangled], architecture): usage.cell() for (mangled, architecture), usage in usages.items()}
    print("\n".join(table(cells)))
    wrong = [f"{kernel}: expected such a kernel, for its limit, found none" for kernel in limits if kernel not in names.values()]
    for (mangled, architecture), usage in sorted(usages.items()):
        name = names[mangled]
        if usage.spilled is None or (usage.kernel and usage.registers is None):
            wrong.append(f"{name} on {architecture}: its figures are missing")
        elif usage.spilled > 0:
            wrong.append(f"{name} on {architecture} spills {usage.spilled} bytes")
        elif usage.kernel and usage.registers > limits.get(name, usage.registers):
            wrong.append(f"{name} on {architecture}: expected at most {limits[name]} registers, found {usage.registers}")
    for text in wrong:
        print(f"{log}: {text}", file=sys.stderr)
    if options.write and not wrong:
        write(options.write, cells)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
