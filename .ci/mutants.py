"""Plants faults in a copy of the sources, one after the other, and fails if the simulation does not find each.

The faults stand in shared/tests/simulation/mutants.toml. The copy is kept in target/mutants and built with the usual target
folder, so that dependencies are built once. Names as arguments choose among the faults.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
COPY = TARGET / "mutants"
MUTANTS = ROOT / "shared" / "tests" / "simulation" / "mutants.toml"
NOT_COPIED = shutil.ignore_patterns("target", ".git", ".local", "node_modules", "__pycache__")
COMMAND = ["cargo", "test", "--locked", "--workspace", "--test", "simulation", *os.environ.get("CARGO_OPTIONS", "").split()]
RUN_SECONDS = 1800


def cargo(*arguments):
    environment = {**os.environ, "CARGO_TARGET_DIR": str(TARGET), "RUST_BACKTRACE": "0"}
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=COPY,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=RUN_SECONDS,
    )


def plant(mutant):
    """Makes the edits in the copy; returns the files as they were."""
    before = {}
    for edit in mutant["edit"]:
        path = COPY / edit["file"]
        text = path.read_text()
        before.setdefault(path, text)
        count = text.count(edit["find"])
        if count != 1:
            restore(before)
            sys.exit(f"{mutant['name']}: {edit['find']!r} occurs {count} times in {edit['file']}")
        path.write_text(text.replace(edit["find"], edit["replace"]))
    return before


def restore(before):
    for path, text in before.items():
        path.write_text(text)


def judge(mutant):
    """Whether the simulation finds the fault, and what it says."""
    before = plant(mutant)
    try:
        built = cargo("--no-run")
        if built.returncode != 0:
            return False, "does not compile:\n" + built.stdout[-3000:]
        output = cargo().stdout
    except subprocess.TimeoutExpired:
        return False, "never ends"
    finally:
        restore(before)
    broken = re.findall(r'^seed (\d+) breaks "([^"]+)"', output, re.MULTILINE)
    if broken:
        seed = broken[0][0]
        properties = ", ".join(dict.fromkeys(name for _, name in broken))
        return True, f"seed {seed}: {properties}"
    return False, "NOT FOUND: " + output[-500:]


def main():
    mutants = tomllib.loads(MUTANTS.read_text())["mutant"]
    wanted = [mutant for mutant in mutants if len(sys.argv) == 1 or any(word in mutant["name"] for word in sys.argv[1:])]
    shutil.rmtree(COPY, ignore_errors=True)
    shutil.copytree(ROOT, COPY, ignore=NOT_COPIED)
    missed = 0
    for mutant in wanted:
        began = time.monotonic()
        found, text = judge(mutant)
        missed += not found
        print(f"{'found ' if found else 'MISSED'} {mutant['name']:<55} {text} ({time.monotonic() - began:.0f} s)", flush=True)
    shutil.rmtree(COPY, ignore_errors=True)
    print(f"{len(wanted) - missed} of {len(wanted)} faults were found")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
