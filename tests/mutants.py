#!/usr/bin/python3
"""Puts each fault of SUITE/mutants.txt into a copy of the tree, one at a time, and says which tests
notice it, as a table. Fails when one goes unnoticed.

    tests/mutants.py [--report FILE] core|system [part of a name…]

core: faults of the core and of hal, for their unit tests and the simulator. system: faults of the
order in which a manager stores and acts, for the tests that kill it. Takes some minutes;
tests/run.sh --long runs both, CI does not."""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
TIME_LIMIT = 600  # seconds; a fault that hangs a program is noticed too


class Core:
    programs = ["core_test", "hal_test"]

    def failed(self, copy):
        """The names of the tests that fail, shortest story first."""
        failed = []
        for program in self.programs:
            command = [copy / "build/tests" / program, "--gtest_brief=1"]
            names = run(program, command, copy, r"^\[  FAILED  \] ([^\s,(]+)")
            failed += names
        return failed


class System:
    programs = ["reeved", "reevectl", "reeve-init"]
    scripts = ["crash_points_test", "survives_test"]

    def failed(self, copy):
        """What the first test to fail of each script says."""
        for program in self.programs:
            os.environ[program.replace("-", "_").upper()] = str(copy / "build" / program)
        failed = []
        for script in self.scripts:
            command = ["/usr/bin/python3", "-B", f"{script}.py", "--failfast"]
            names = run(script, command, copy / "tests/system",
                              r"^(?:FAIL|ERROR): (\w+ .*)$")
            failed += [re.sub(r" \(__main__\.\w+(\.\w+)?\)", "", name) for name in names]
        return failed


def run(name, command, folder, failure):
    """What it says of its failures."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIME_LIMIT, cwd=folder)
    except subprocess.TimeoutExpired:
        return [f"{name} (does not end)"]
    names = list(dict.fromkeys(re.findall(failure, done.stdout + done.stderr, re.MULTILINE)))
    if done.returncode != 0 and not names:
        names = [f"{name} (crashes)"]
    return names


def read_mutants(file):
    mutants = []
    for block in file.read_text().split("\n== ")[1:]:
        name, path, gone, come = block.strip("\n").split("\n")[:4]
        assert gone[0] == "-" and come[0] == "+", name
        mutants.append((name, path, gone[1:], come[1:]))
    return mutants


def build(copy, programs):
    tree = copy / "build"
    if not tree.exists():
        subprocess.run(["cmake", "-S", copy, "-B", tree, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                        "-DREEVE_TESTS=ON"], check=True, stdout=subprocess.DEVNULL)
    done = subprocess.run(["cmake", "--build", tree, "-j2", "--target", *programs],
                          capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stdout[-3000:])


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
    parser.add_argument("suite", choices=["core", "system"])
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    suite = {"core": Core, "system": System}[options.suite]()
    mutants = [m for m in read_mutants(HERE / options.suite / "mutants.txt")
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
        build(copy, suite.programs)
        if failed := suite.failed(copy):
            sys.exit(f"without any fault these fail: {failed}")
        for name, path, gone, come in mutants:
            text = (copy / path).read_text()
            if text.count(gone + "\n") != 1:
                sys.exit(f"{name}: not exactly once in {path}: {gone}")
            (copy / path).write_text(text.replace(gone + "\n", come + "\n"))
            build(copy, suite.programs)
            failed = suite.failed(copy)
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
