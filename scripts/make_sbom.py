"""Writes what the product is made of, as CycloneDX, from requirements/run.txt and the files of others in the
tree: complaint_llm/data/sbom.cdx.json.

``make lock`` runs it in the environment that has cyclonedx-bom. The same lock file gives the same bytes.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements" / "run.txt"
TARGET = ROOT / "complaint_llm" / "data" / "sbom.cdx.json"
KEPT = (ROOT / "complaint_llm" / "report" / "uplot" / "component.json",)
"""What each library that lies in the tree says of itself: name, version, address, licence, SHA-256 of its files."""
BUILD_ONLY = {"build", "packaging", "pyproject-hooks", "setuptools", "wheel"}
"""In the lock because the environment builds with them; no part of what runs."""


def main() -> None:
    """Run cyclonedx-py over the lock file and keep what does not change from run to run."""
    command = [sys.executable, "-m", "cyclonedx_py", "requirements", str(LOCK), "--output-reproducible", "--of", "JSON"]
    made = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    components = [part(each) for each in made["components"] if each["name"] not in BUILD_ONLY]
    components += [kept_part(json.loads(path.read_text(encoding="utf-8"))) for path in KEPT]
    bill = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "library", "name": "complaint-llm", "bom-ref": "complaint-llm"}},
        "components": sorted(components, key=lambda each: str(each["name"])),
    }
    TARGET.write_text(json.dumps(bill, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def part(component: dict[str, object]) -> dict[str, object]:
    """A component's name, version, package address and hashes; nothing of where it was fetched."""
    kept = {key: component[key] for key in ("type", "name", "version", "purl", "hashes") if key in component}
    return kept | {"bom-ref": str(component["purl"])}


def kept_part(component: dict[str, Any]) -> dict[str, object]:
    """A library of the tree as a component; its hash is that of the package that its files came from."""
    digest = base64.b64decode(component["integrity"].removeprefix("sha512-")).hex()
    return {
        "type": "library",
        "name": component["name"],
        "version": component["version"],
        "purl": component["purl"],
        "hashes": [{"alg": "SHA-512", "content": digest}],
        "licenses": [{"license": {"id": component["license"]}}],
        "bom-ref": component["purl"],
    }


if __name__ == "__main__":
    main()
