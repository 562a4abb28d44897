#!/usr/bin/python3
"""Puts each fault of mutants.txt into a copy of the tree, one at a time, and says which tests of the
core and of hal notice it, as a table. Fails when one goes unnoticed.

    tests/core/mutants.py [--report FILE] [part of a name…]

Takes some minutes; tests/run.sh --long runs it, CI does not."""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PROGRAMS = ["core_test", "hal_test"]
TIME_LIMIT = 600  # seconds; a fault that hangs the core is noticed too


def read_mutants():
    mutants = []
    for block in (HERE / "mutants.txt").read_text().split("\n== ")[1:]:
        name, path, gone, come = block.strip("\n").split("\n")[:4]
        assert gone[0] == "-" and come[0] == "+", name
        mutants.append((name, path, gone[1:], come[1:]))
    return mutants


def build(copy):
    tree = copy / "build"
    if not tree.exists():
        subprocess.run(["cmake", "-S", copy, "-B", tree, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                        "-DREEVE_TESTS=ON"], check=True, stdout=subprocess.DEVNULL)
    done = subprocess.run(["cmake", "--build", tree, "-j2", "--target", *PROGRAMS],
                          capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stdout[-3000:])


def failed_tests(copy):
    """The names of the tests that fail, shortest story first."""
    failed = []
    for program in PROGRAMS:
        try:
            done = subprocess.run([copy / "build/tests" / program, "--gtest_brief=1"],
                                  capture_output=True, text=True, timeout=TIME_LIMIT, cwd=copy)
        except subprocess.TimeoutExpired:
            failed.append(f"{program} (does not end)")
            continue
        names = [line.split("]")[1].split(",")[0].split("(")[0].strip()
                 for line in done.stdout.splitlines() if line.startswith("[  FAILED  ]")]
        if done.returncode != 0 and not names:
            names = [f"{program} (crashes)"]
        failed += names
    return failed


def row(name, path, failed):
    simulator = any("Simulator" in test for test in failed)
    others = [test.replace("All/Scenario.HappensAsWritten/", "scenario ") for test in failed
              if "Simulator" not in test and "SavedAndLoaded" not in test]
    others = others or [test for test in failed if "Simulator" not in test]
    shown = ", ".join(others[:3]) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
    return f"| {name} | {path} | {'yes' if simulator else ''} | {shown} |"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--report", type=pathlib.Path)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    mutants = [m for m in read_mutants()
               if not options.names or any(part in m[0] for part in options.names)]
    lines = ["| fault | file | simulator | tests |", "|---|---|---|---|"]
    unnoticed = []
    with tempfile.TemporaryDirectory(prefix="reeve-mutants-") as folder:
        copy = pathlib.Path(folder) / "reeve"
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True)
        for name in listed.stdout.decode().split("\0"):
            if name and (ROOT / name).is_file():
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, copy / name)
        build(copy)
        if failed := failed_tests(copy):
            sys.exit(f"without any fault these fail: {failed}")
        for name, path, gone, come in mutants:
            text = (copy / path).read_text()
            if text.count(gone + "\n") != 1:
                sys.exit(f"{name}: not exactly once in {path}: {gone}")
            (copy / path).write_text(text.replace(gone + "\n", come + "\n"))
            build(copy)
            failed = failed_tests(copy)
            (copy / path).write_text(text)
            lines.append(row(name, path, failed))
            print(lines[-1], flush=True)
            if not failed:
                unnoticed.append(name)
    if options.report:
        options.report.write_text("\n".join(lines) + "\n")
    if unnoticed:
        sys.exit("nobody notices: " + "; ".join(unnoticed))


if __name__ == "__main__":
    os.environ.pop("REEVE_LONG", None)
    main()
