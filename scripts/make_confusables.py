#!/usr/bin/env python3
"""Write complaint_llm/data/confusables.json from Unicode's confusables.txt (UTS 39).

    python scripts/make_confusables.py confusables.txt

Get that file from unicode.org/Public/security/<version>/. Kept are characters outside of ASCII that look like another
that neither case nor compatibility makes of them; the rest follows from Python's own tables.
"""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from collections import defaultdict
from pathlib import Path

TARGET = Path(__file__).resolve().parents[1] / "complaint_llm" / "data" / "confusables.json"
LINE = re.compile(r"([0-9A-F]+) ;\t([0-9A-F ]+) ;\tMA")
LICENCE = (
    "Copyright © 1991-2025 Unicode, Inc. All rights reserved. Distributed under the Unicode License V3 "
    "(SPDX: Unicode-3.0, https://www.unicode.org/license.txt). Permission is hereby granted, free of "
    'charge, to any person obtaining a copy of data files and any associated documentation (the "Data '
    'Files") or software and any associated documentation (the "Software") to deal in the Data Files or '
    "Software without restriction, including without limitation the rights to use, copy, modify, merge, "
    "publish, distribute, and/or sell copies of the Data Files or Software, and to permit persons to whom "
    "the Data Files or Software are furnished to do so, provided that either (a) this copyright and "
    "permission notice appear with all copies of the Data Files or Software, or (b) this copyright and "
    'permission notice appear in associated Documentation. THE DATA FILES AND SOFTWARE ARE PROVIDED "AS '
    'IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES '
    "OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT OF THIRD PARTY RIGHTS. IN "
    "NO EVENT SHALL THE COPYRIGHT HOLDER OR HOLDERS INCLUDED IN THIS NOTICE BE LIABLE FOR ANY CLAIM, OR "
    "ANY SPECIAL INDIRECT OR CONSEQUENTIAL DAMAGES, OR ANY DAMAGES WHATSOEVER RESULTING FROM LOSS OF USE, "
    "DATA OR PROFITS, WHETHER IN AN ACTION OF CONTRACT, NEGLIGENCE OR OTHER TORTIOUS ACTION, ARISING OUT "
    "OF OR IN CONNECTION WITH THE USE OR PERFORMANCE OF THE DATA FILES OR SOFTWARE. Except as contained "
    "in this notice, the name of a copyright holder shall not be used in advertising or otherwise to "
    "promote the sale, use or other dealings in these Data Files or Software without prior written "
    "authorization of the copyright holder."
)


def main(source: str) -> None:
    """Read the file at ``source`` and write the data."""
    text = Path(source).read_text(encoding="utf-8-sig")
    version = re.search(r"^# Version: (\S+)", text, re.M)
    assert version is not None, f"{source} names no version"
    alike: dict[str, list[str]] = defaultdict(list)
    for line in text.splitlines():
        found = LINE.match(line)
        if found is None:
            continue
        character = chr(int(found[1], 16))
        prototype = "".join(chr(int(code, 16)) for code in found[2].split())
        explained = unicodedata.normalize("NFKD", character)
        if not character.isascii() and explained not in (prototype, unicodedata.normalize("NFKD", prototype)):
            alike[prototype].append(character)
    data = {
        "source": f"Unicode security mechanisms for UTS 39, confusables.txt, version {version[1]}",
        "licence": LICENCE,
        "alike": {prototype: "".join(sorted(alike[prototype])) for prototype in sorted(alike)},
    }
    TARGET.write_text(json.dumps(data, indent=0) + "\n", encoding="ascii")


if __name__ == "__main__":
    main(sys.argv[1])
