"""small.py SOURCES PROGRAM NM: the keeper has fewer than 1,000 lines and links no allocator."""

import pathlib
import re
import subprocess
import sys

MOST = 1000
ALLOCATORS = re.compile(r"\b(malloc|calloc|realloc|free|_Zn[wa]\w+|_Zd[la]\w+|brk|sbrk)(@\S+)?$")

sources, program, nm = sys.argv[1:]
lines = 0
for path in pathlib.Path(sources).rglob("*"):
    if path.suffix in ("", ".hpp", ".cpp") and path.is_file():
        text = [line.strip() for line in path.read_text().splitlines()]
        lines += sum(1 for line in text if line and not line.startswith("//"))
found = subprocess.run([nm, program], capture_output=True, text=True, check=True).stdout
allocators = [line for line in found.splitlines() if ALLOCATORS.search(line)]
print(f"{lines} lines without blanks and comments; allocators: {allocators or 'none'}")
sys.exit(lines >= MOST or bool(allocators) or "main" not in found)
