"""Adds up what tests/run.sh recorded: JUnit files of ctest, and steps. The last line is the sum."""
import pathlib
import re
import sys
import xml.etree.ElementTree as xml

# A test method that unittest skipped inside a script that ran.
INNER_SKIP = re.compile(r"^(\w+) \((.+?)\).* \.\.\. skipped ['\"](.*)['\"]$", re.M)
GTEST_SKIP = re.compile(r"Skipped\n(.*)|: Skipped\s*\n(.*)")


def ctest_results(path):
    """Yields (name, outcome, text) of each test of a JUnit file."""
    for case in xml.parse(path).getroot().iter("testcase"):
        name, status = case.get("name"), case.get("status")
        output = case.findtext("system-out") or ""
        if status == "run":
            yield name, "passed", ""
        elif status in ("disabled", "notrun"):
            reason = GTEST_SKIP.search(output)
            text = next((g for g in reason.groups() if g), "") if reason else ""
            inner = INNER_SKIP.search(output)
            yield name, "skipped", text.strip() or (inner.group(3) if inner else "not run")
            continue
        else:
            yield name, "failed", (case.find("failure").get("message") or "") \
                if case.find("failure") is not None else ""
        for method, _, reason in INNER_SKIP.findall(output):
            yield f"{name}: {method}", "skipped", reason


def step_results(path):
    for line in path.read_text().splitlines():
        name, outcome, text = line.split("\t")
        yield name, outcome, text


def main(folder):
    results = []
    for path in sorted(folder.glob("*.xml")):
        results += ctest_results(path)
    tests = len(results)
    if (folder / "steps").exists():
        results += step_results(folder / "steps")
    for outcome in ("skipped", "failed"):
        for name, got, text in results:
            if got == outcome:
                print(f"{outcome}: {name}" + (f": {text}" if text else ""))
    count = {o: sum(1 for r in results if r[1] == o) for o in ("passed", "failed", "skipped")}
    lint_alone = tests == 0 and any(name.startswith("lint.tidy") for name, _, _ in results)
    if tests == 0 and not lint_alone:
        print("no test ran")
    print(f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
    broken = count["failed"] or (folder / "failed").exists()
    return 1 if broken or (tests == 0 and not lint_alone) else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
