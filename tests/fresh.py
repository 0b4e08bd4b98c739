"""Runs programs in a new Python process, for tests of imports."""

import subprocess
import sys


def loaded_by(program: str) -> set[str]:
    """The modules that a fresh Python has imported at the end of a program."""
    report = f"{program}\nimport sys; print(); print(*sys.modules)"
    process = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True)
    return set(process.stdout.splitlines()[-1].split())
