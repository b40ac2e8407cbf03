"""A stand-in for jq, which not every system has: prints what one path leads to."""

import json
import re
import sys
from pathlib import Path

path, *files = sys.argv[1:]
value = json.loads(Path(files[0]).read_text(encoding="utf-8") if files else sys.stdin.read())
for name, index in re.findall(r"\.(\w+)|\[(\d+)\]", path):
    value = value[name or int(index)]
print(json.dumps(value))
