"""Plants faults in a copy of the sources, one after the other, and fails if the simulation does not find each.

The faults stand in shared/tests/simulation/mutants.toml. The copy is built in a target folder of its own, target/mutants: in the
usual one, Cargo could take what was built of a fault for the real thing. What is built of the dependencies is taken from there.
Words as arguments choose the faults whose names hold one of them.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "mutants"
MUTANTS = ROOT / "shared" / "tests" / "simulation" / "mutants.toml"
NOT_COPIED = shutil.ignore_patterns("target", ".git", ".local", "node_modules", "__pycache__")
COMMAND = ["cargo", "test", "--locked", "--workspace", "--test", "simulation"]
RUN_SECONDS = 1800


def take_dependencies():
    """Takes libraries from the usual target folder, with their times, by which Cargo knows them. The libraries themselves are
    linked, not copied: the compiler replaces what it builds anew, and only writes into the lists of what each depends on."""
    usual, own = TARGET.parent / "debug", TARGET / "debug"
    if own.exists() or not usual.exists():
        return

    def not_libraries(folder, names):
        is_library = lambda name: name.endswith((".rlib", ".rmeta", ".so", ".d"))
        return [name for name in names if not is_library(name)] if pathlib.Path(folder).name == "deps" else []

    def take(source, target):
        (os.link if source.endswith((".rlib", ".rmeta", ".so")) else shutil.copy2)(source, target)

    for folder in ["deps", "build", ".fingerprint"]:
        shutil.copytree(usual / folder, own / folder, symlinks=True, ignore=not_libraries, copy_function=take)


def cargo(copy, *arguments):
    environment = {**os.environ, "CARGO_TARGET_DIR": str(TARGET), "RUST_BACKTRACE": "0", "CARGO_INCREMENTAL": "1"}
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=copy,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=RUN_SECONDS,
    )


def plant(copy, mutant):
    """Makes the edits in the copy; returns the files as they were."""
    before = {}
    for edit in mutant["edit"]:
        path = copy / edit["file"]
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


def judge(copy, mutant):
    """Whether the simulation finds the fault, and what it says."""
    before = plant(copy, mutant)
    try:
        built = cargo(copy, "--no-run")
        if built.returncode != 0:
            return False, "does not compile:\n" + built.stdout[-3000:]
        output = cargo(copy).stdout
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
    words = sys.argv[1:]
    mutants = tomllib.loads(MUTANTS.read_text())["mutant"]
    wanted = [mutant for mutant in mutants if not words or any(word in mutant["name"] for word in words)]
    missed = 0
    take_dependencies()
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "copy"
        shutil.copytree(ROOT, copy, ignore=NOT_COPIED)
        for mutant in wanted:
            began = time.monotonic()
            found, text = judge(copy, mutant)
            missed += not found
            word, seconds = "found " if found else "MISSED", time.monotonic() - began
            print(f"{word} {mutant['name']:<55} {text} ({seconds:.0f} s)", flush=True)
    print(f"{len(wanted) - missed} of {len(wanted)} faults were found")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
