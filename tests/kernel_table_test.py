"""scripts/kernel_table.py: reads what nvcc says of kernels, and fails where one spills or where there is none."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parent.parent / "scripts" / "kernel_table.py"
CONV = "_ZN3sln4cuda39_GLOBAL__N__d50f026a_7_conv_cu_485cd60611conv_kernelILi{}EEEvNS_6ConvOpEii"
PART = "_ZN3sln4cuda4partEPf"


def says(name, architecture, used, spilled=(0, 0), stack=0):
    return f"""ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function '{name}' for '{architecture}'
ptxas info    : Function properties for {name}
    {stack} bytes stack frame, {spilled[0]} bytes spill stores, {spilled[1]} bytes spill loads
ptxas info    : Used {used}, 496 bytes cmem[0]
ptxas info    : Compile time = 131.610 ms
"""


GOOD = (says(CONV.format(128), "sm_100", "123 registers, used 1 barriers, 16640 bytes smem") +
        says(CONV.format(128), "sm_75", "126 registers, used 1 barriers, 16640 bytes smem") +
        says(CONV.format(64), "sm_75", "36 registers", stack=24))


class KernelTable(unittest.TestCase):
    def run_on(self, log, *arguments, more=()):
        with tempfile.TemporaryDirectory() as folder:
            paths = []
            for i, text in enumerate((log, *more)):
                paths.append(pathlib.Path(folder) / ("cuda.log" if i == 0 else f"more_{i}.log"))
                paths[i].write_text(text, encoding="utf-8")
            return subprocess.run([sys.executable, SCRIPT, *paths, *arguments], capture_output=True, encoding="utf-8",
                                  check=False)

    def fails(self, log, *texts, arguments=(), more=()):
        result = self.run_on(log, *arguments, more=more)
        self.assertEqual((1, 1), (result.returncode, len(result.stderr.splitlines())), result.stderr)
        for text in texts:
            self.assertIn(text, result.stderr)
        return result.stdout

    def test_a_row_a_kernel_and_a_column_an_architecture(self):
        result = self.run_on("[1/3] Building CUDA object conv.cu.o\n" + GOOD)
        self.assertEqual((0, ""), (result.returncode, result.stderr))
        self.assertEqual(["| kernel | sm_75 | sm_100 |",
                          "|---|---|---|",
                          "| `conv_kernel<128>` | 126 / 16640 / 0 / 0 | 123 / 16640 / 0 / 0 |",
                          "| `conv_kernel<64>` | 36 / 0 / 0 / 24 |  |"], result.stdout.splitlines())

    def test_a_kernel_that_spills_is_named(self):
        for spilled in ((8, 0), (0, 8), (4, 4)):
            table = self.fails(GOOD + says(CONV.format(64), "sm_80", "128 registers", spilled),
                               "conv_kernel<64> on sm_80 spills 8 bytes")
            self.assertIn("| 128 / 0 / 8 / 0 |", table)

    def test_a_function_of_a_kernel_that_spills_is_named(self):
        lines = GOOD.splitlines(keepends=True)
        part = f"ptxas info    : Function properties for {PART}\n    16 bytes stack frame, 12 bytes spill stores, 4 bytes spill loads\n"
        table = self.fails("".join(lines[:2]) + part + "".join(lines[2:]), "part on sm_100 spills 16 bytes")
        self.assertIn("| `conv_kernel<128>` | 126 / 16640 / 0 / 0 | 123 / 16640 / 0 / 0 |", table)
        self.assertIn("| `part` |  | - / 0 / 16 / 16 |", table)

    def test_a_log_without_kernels_fails(self):
        for log in ("", "ninja: no work to do.\n", "ptxas info    : 0 bytes gmem\n"):
            self.fails(log, "cuda.log: expected kernels in it, found none")

    def test_a_log_that_ends_early_fails(self):
        for lines in (2, 3, 4):
            self.fails("".join(GOOD.splitlines(keepends=True)[:lines]), "conv_kernel<128> on sm_100: its figures are missing")

    def test_a_kernel_over_its_limit_is_named(self):
        at = ("--limit", "conv_kernel<128>=126")
        self.assertEqual((0, ""), (self.run_on(GOOD, *at).returncode, self.run_on(GOOD, *at).stderr))
        self.fails(GOOD, "conv_kernel<128> on sm_75: expected at most 125 registers, found 126",
                   arguments=("--limit", "conv_kernel<128>=125"))
        self.fails(GOOD, "pool: expected such a kernel", arguments=("--limit", "pool=10"))
        self.assertEqual(0, self.run_on(GOOD, "--limit", "*=126").returncode)
        self.fails(GOOD, "conv_kernel<128> on sm_75: expected at most 125 registers, found 126",
                   arguments=("--limit", "*=125", "--limit", "conv_*=126"))
        for wrong in ("conv", "=5", "conv=", "conv=x"):
            result = self.run_on(GOOD, "--limit", wrong)
            self.assertEqual(2, result.returncode)
            self.assertIn(f"expected PATTERN=REGISTERS, found {wrong}", result.stderr)

    def test_several_logs_are_one_table(self):
        old = CONV.replace("d50f026a", "0a1b2c3d")  # the anonymous namespace of another compiler
        pascal = says(old.format(128), "sm_61", "126 registers, 16640 bytes smem")
        result = self.run_on(GOOD, more=[pascal])
        self.assertEqual((0, ""), (result.returncode, result.stderr))
        self.assertEqual(["| kernel | sm_61 | sm_75 | sm_100 |",
                          "|---|---|---|---|",
                          "| `conv_kernel<128>` | 126 / 16640 / 0 / 0 | 126 / 16640 / 0 / 0 | 123 / 16640 / 0 / 0 |",
                          "| `conv_kernel<64>` |  | 36 / 0 / 0 / 24 |  |"], result.stdout.splitlines())
        self.fails(GOOD, "more_1.log: conv_kernel<128> on sm_61 spills 8 bytes",
                   more=[says(old.format(128), "sm_61", "126 registers", (8, 0))])
        self.fails(GOOD, "more_1.log: expected kernels in it, found none", more=["nothing\n"])

    def test_two_kernels_of_one_cell_fail(self):
        again = says(CONV.replace("d50f026a", "0a1b2c3d").format(64), "sm_75", "40 registers")
        self.fails(GOOD + again, "conv_kernel<64> on sm_75: expected it once, found it twice")
        self.fails(GOOD, "more_1.log: conv_kernel<64> on sm_75: expected it once, found it twice", more=[again])

    def test_a_table_is_written_into_its_place_and_keeps_other_architectures(self):
        begin, end = "<!-- kernel table: begin -->", "<!-- kernel table: end -->"
        old = ("| kernel | sm_61 | sm_75 |\n|---|---|---|\n| `conv_kernel<128>` | 1 / 2 / 0 / 0 | 9 / 9 / 9 / 9 |\n"
               "| `gone` | 3 / 4 / 0 / 0 |  |\n")
        with tempfile.TemporaryDirectory() as folder:
            page = pathlib.Path(folder) / "page.md"
            page.write_text(f"before\n{begin}\n{old}{end}\nafter\n", encoding="utf-8")
            self.assertEqual(0, self.run_on(GOOD, "--write", page).returncode)
            expected = ["before", begin, "| kernel | sm_61 | sm_75 | sm_100 |", "|---|---|---|---|",
                        "| `conv_kernel<128>` | 1 / 2 / 0 / 0 | 126 / 16640 / 0 / 0 | 123 / 16640 / 0 / 0 |",
                        "| `conv_kernel<64>` |  | 36 / 0 / 0 / 24 |  |", end, "after"]
            self.assertEqual(expected, page.read_text(encoding="utf-8").splitlines())
            self.assertEqual(0, self.run_on(GOOD, "--write", page).returncode)
            self.assertEqual(expected, page.read_text(encoding="utf-8").splitlines())
            self.fails(GOOD + says(CONV.format(64), "sm_80", "128 registers", (8, 0)), "spills", arguments=("--write", page))
            self.assertEqual(expected, page.read_text(encoding="utf-8").splitlines())
            page.write_text("no place\n", encoding="utf-8")
            self.fails(GOOD, "expected one place for the table", arguments=("--write", page))


if __name__ == "__main__":
    sys.exit(unittest.main())
