#!/usr/bin/python3
"""Every statement of docs/semantics.md is quoted by a test or a scenario, or stands in
tests/semantics.txt with the reason why not. `--list` prints each statement and who quotes it.

A statement is what ends with a full stop, a semicolon or a table's row. Markup, line breaks and
comment marks do not count when texts are compared."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SUFFIXES = {".cpp", ".hpp", ".py", ".txt", ".sh", ".toml"}
# After a full stop or a semicolon that is not within parentheses or braces; before "2. Join".
SENTENCE = re.compile(r"(?<=[^.\d ])\.\**\s+(?=[^a-z])|;\s+(?![^(]*\))(?![^{]*\})|"
                      r"\s+(?=\d\. [A-Z*])")


def plain(text):
    """Without markup, quotation marks and line breaks."""
    text = re.sub(r"[`*\\]", "", text)
    return re.sub(r"\s+", " ", text).strip()


def statements():
    """(section, statement) in the order of the page."""
    found, section = [], ""
    for line in (ROOT / "docs/semantics.md").read_text().splitlines():
        if line.startswith("#"):
            section = plain(line.lstrip("# "))
        elif line.startswith("|"):
            cells = [plain(cell) for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            if not set(line) <= set("|- ") and cells[0] not in ("state", "type", "systemd"):
                found.append((section, ": ".join(cells)))
        else:
            for part in SENTENCE.split(re.sub(r"^(- |\d\. )", "", line)):
                if words := plain(part).rstrip(".;,:"):
                    found.append((section, words))
    return found


def comments(path):
    """The comments of a file, line by line; of Python its texts too."""
    text = path.read_text(errors="replace")
    if path.suffix == ".py":
        yield from re.findall(r'"""(.*?)"""', text, flags=re.S)
    for line in text.splitlines():
        if found := re.match(r"\s*(?://+|#)[ \t]?(.*)", line):
            yield found.group(1)


def quotes():
    """What the comments of tests say, by file."""
    return {path.relative_to(ROOT): plain(" ".join(comments(path)))
            for path in sorted((ROOT / "tests").rglob("*"))
            if path.suffix in SUFFIXES and path.is_file() and path.name != "semantics.txt"}


def excused():
    """statement → reason, from tests/semantics.txt: a reason, then its statements, indented."""
    reasons, reason = {}, ""
    for line in (ROOT / "tests/semantics.txt").read_text().splitlines():
        if line.startswith("    "):
            reasons[plain(line).rstrip(".;,:")] = reason
        elif line and not line.startswith("#"):
            reason = line
    return reasons


def main():
    said, reasons, missing = quotes(), excused(), []
    page = statements()
    for section, statement in page:
        by = [str(path) for path, text in said.items() if statement in text]
        if "--list" in sys.argv:
            print(f"{section} | {statement} | {', '.join(by) or reasons.get(statement, '---')}")
        if by and statement in reasons:
            missing.append(f"excused, and yet quoted by {by[0]}: {statement}")
        elif not by and statement not in reasons:
            missing.append(f"{section}: nobody quotes: {statement}")
    known = {statement for _, statement in page}
    missing += [f"excused, and not in the page: {s}" for s in reasons if s not in known]
    print("\n".join(missing))
    print(f"{len(page)} statements, {len(reasons)} excused, {len(missing)} to mend")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
