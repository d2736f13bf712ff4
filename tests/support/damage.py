"""What disks and broken downloads do to files."""

from pathlib import Path


def truncate(path: Path) -> None:
    """Cut the end off."""
    path.write_bytes(path.read_bytes()[:-100])


def flip(path: Path) -> None:
    """Change one bit, in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
