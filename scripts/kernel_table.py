#!/usr/bin/python3
"""Prints what nvcc says of each kernel on each architecture, as a table of Markdown.

scripts/kernel_table.py LOG... [--limit 'PATTERN=REGISTERS']... [--write FILE]

A LOG is what nvcc has printed with -Xptxas=-v. A cell is registers / bytes of shared memory / bytes spilled / bytes of
stack. A limit is for the kernels that a shell's pattern matches. --write puts the table between the two comments of FILE
that say "kernel table", and keeps the columns there of architectures that no log has: no one nvcc compiles for all. The
exit status is 1, and stderr names it, where a kernel or a function that it calls spills, where a kernel has more registers
than a limit, where nothing is said of one, where two share a cell, where a limit is for no kernel, and where a log holds no
kernel; then nothing is written.
"""

import argparse
import dataclasses
import fnmatch
import pathlib
import re
import subprocess
import sys
from typing import Dict, Iterator, List, Optional, Tuple

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


def limit(text: str) -> Tuple[str, int]:
    pattern, _, registers = text.rpartition("=")
    if not pattern or not registers.isdigit():
        raise argparse.ArgumentTypeError(f"expected PATTERN=REGISTERS, found {text}")
    return pattern, int(registers)


def faults(usages: Usages, names: Dict[str, str], limits: List[Tuple[str, int]]) -> Iterator[str]:
    for (mangled, architecture), usage in sorted(usages.items()):
        where = f"{names[mangled]} on {architecture}"
        if usage.spilled is None or (usage.kernel and usage.registers is None):
            yield f"{where}: its figures are missing"
            continue
        if usage.spilled > 0:
            yield f"{where} spills {usage.spilled} bytes"
        most = min((at for pattern, at in limits if fnmatch.fnmatchcase(names[mangled], pattern)), default=None)
        if usage.kernel and most is not None and usage.registers > most:
            yield f"{where}: expected at most {most} registers, found {usage.registers}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("logs", type=pathlib.Path, nargs="+", metavar="LOG")
    parser.add_argument("--limit", type=limit, action="append", default=[], metavar="PATTERN=REGISTERS")
    parser.add_argument("--write", type=pathlib.Path, metavar="FILE")
    options = parser.parse_args()
    cells: Cells = {}
    kernels = set()
    wrong = []
    for log in options.logs:
        usages = read(log.read_text(encoding="utf-8", errors="replace"))
        if not any(usage.kernel for usage in usages.values()):
            wrong.append(f"{log}: expected kernels in it, found none: were they compiled, with -Xptxas=-v?")
            continue
        names = readable(sorted({name for name, _ in usages}))
        wrong += [f"{log}: {fault}" for fault in faults(usages, names, options.limit)]
        for (mangled, architecture), usage in usages.items():
            if (names[mangled], architecture) in cells:
                wrong.append(f"{log}: {names[mangled]} on {architecture}: expected it once, found it twice")
            cells[names[mangled], architecture] = usage.cell()
            kernels |= {names[mangled]} if usage.kernel else set()
    wrong += [f"{pattern}: expected such a kernel, for its limit, found none" for pattern, _ in options.limit
              if cells and not fnmatch.filter(kernels, pattern)]
    if cells:
        print("\n".join(table(cells)))
    for text in wrong:
        print(text, file=sys.stderr)
    if options.write and not wrong:
        write(options.write, cells)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
