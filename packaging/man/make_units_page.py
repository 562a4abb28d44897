#!/usr/bin/python3
"""Writes reeve.units.5 from units/README.md, so that page and reference cannot disagree.

packaging/man/make_units_page.py > packaging/man/reeve.units.5
"""
import pathlib
import re

README = pathlib.Path(__file__).resolve().parents[2] / "units" / "README.md"


def plain(text):
    """Text with roff's own characters made harmless."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return ("\\&" + text) if text.startswith((".", "'")) else text


def inline(text):
    """`code` is bold, *emphasis* italic, links are their text."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    out = ""
    for piece in re.split(r"(`[^`]+`|\*\*[^*]+\*\*|\*[^*]+\*)", text):
        if piece.startswith("`"):
            out += "\\fB" + plain(piece[1:-1]).removeprefix("\\&") + "\\fR"
        elif piece.startswith("**"):
            out += "\\fB" + plain(piece[2:-2]) + "\\fR"
        elif piece.startswith("*") and len(piece) > 1:
            out += "\\fI" + plain(piece[1:-1]) + "\\fR"
        else:
            out += plain(piece) if out else plain(piece)
    return "\\&" + out if out.startswith((".", "'")) else out


def cells(row):
    """The cells of a table row; a bar inside `code` does not end one."""
    parts, current, code = [], "", False
    for character in row.strip().strip("|"):
        code ^= character == "`"
        if character == "|" and not code:
            parts.append(current.strip())
            current = ""
        else:
            current += character
    return parts + [current.strip()]


def table(rows):
    header = cells(rows[0])
    for row in rows[2:]:
        row = cells(row)
        yield ".TP"
        yield inline(row[0])
        if len(header) == 5:
            _, kind, default, example, meaning = row
            yield inline(meaning)
            yield f"({inline(kind)}; default: {inline(default)}; for example {inline(example)})"
        else:
            yield from (inline(cell) for cell in row[1:])


def page(lines):
    yield ".\\\" Made from units/README.md by make_units_page.py; do not edit."
    yield '.TH REEVE.UNITS 5 "" "Reeve" "Reeve"'
    yield ".SH NAME"
    yield "reeve.units \\- unit files of the service manager reeved"
    yield ".SH DESCRIPTION"
    index = 1  # without the title
    while index < len(lines):
        line = lines[index]
        index += 1
        if line.startswith("## In the source"):
            break
        if line.startswith("<!--"):
            continue
        if line.startswith("### "):
            yield ".SS " + plain(line[4:])
        elif line.startswith("## "):
            yield ".SH " + plain(line[3:].upper())
        elif line.startswith("```"):
            yield ".PP\n.RS 4\n.nf"
            while not lines[index].startswith("```"):
                yield plain(lines[index]) or "\\&"
                index += 1
            index += 1
            yield ".fi\n.RE"
        elif line.startswith("    "):
            yield f".PP\n.RS 4\n.nf\n{plain(line[4:])}\n.fi\n.RE"
        elif line.startswith("|"):
            rows = [line]
            while index < len(lines) and lines[index].startswith("|"):
                rows.append(lines[index])
                index += 1
            yield from table(rows)
        elif line.strip():
            yield inline(line)
        else:
            yield ".PP"
    yield ".SH SEE ALSO"
    yield ".BR reevectl (1),\n.BR reeved (8)"


if __name__ == "__main__":
    text = "\n".join(page(README.read_text().splitlines())) + "\n"
    print(re.sub(r"(\.PP\n)+(\.(PP|S[HS]))", r"\2", text), end="")
