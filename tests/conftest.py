"""Makes ``peers`` (programs that others wrote, to test against) importable and its fixtures known everywhere."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from peers import aimock, aimock_process  # noqa: F401
