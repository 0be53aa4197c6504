"""Writes what the product is made of, as CycloneDX, from requirements/run.txt: complaint_llm/data/sbom.cdx.json.

``make lock`` runs it in the environment that has cyclonedx-bom. The same lock file gives the same bytes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements" / "run.txt"
TARGET = ROOT / "complaint_llm" / "data" / "sbom.cdx.json"
BUILD_ONLY = {"build", "packaging", "pyproject-hooks", "setuptools", "wheel"}
"""In the lock because the environment builds with them; no part of what runs."""


def main() -> None:
    """Run cyclonedx-py over the lock file and keep what does not change from run to run."""
    command = [sys.executable, "-m", "cyclonedx_py", "requirements", str(LOCK), "--output-reproducible", "--of", "JSON"]
    made = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    components = [part(each) for each in made["components"] if each["name"] not in BUILD_ONLY]
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


if __name__ == "__main__":
    main()
