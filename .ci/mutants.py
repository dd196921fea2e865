"""Plants faults in a copy of the sources, one at a time, and fails if the simulation misses one.

shared/tests/simulation/mutants.toml defines the faults. The copy has its own target folder, target/mutants: in the default
target folder, Cargo could mistake an artifact with a fault for the real one. Built dependencies are reused from the default
target folder.

Without arguments, a third of the faults is planted, which depends on the commit. `--all` plants all of them; other arguments
select the faults whose names contain at least one of them. In any case, the text of every fault must occur exactly once in its
file.
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
# The parts of which a run without arguments plants one.
PARTS = 3


def reuse_dependencies():
    """Takes built libraries from the default target folder. Keeps their modification times, by which Cargo recognizes them.

    Libraries are hard-linked: the compiler replaces a library that it rebuilds. Dependency lists (.d) are copied, because the
    compiler writes into them.
    """
    default, own = TARGET.parent / "debug", TARGET / "debug"
    if own.exists() or not default.exists():
        return

    def non_libraries(folder, names):
        is_library = lambda name: name.endswith((".rlib", ".rmeta", ".so", ".d"))
        return [name for name in names if not is_library(name)] if pathlib.Path(folder).name == "deps" else []

    def link_or_copy(source, target):
        (os.link if source.endswith((".rlib", ".rmeta", ".so")) else shutil.copy2)(source, target)

    for folder in ["deps", "build", ".fingerprint"]:
        shutil.copytree(default / folder, own / folder, symlinks=True, ignore=non_libraries, copy_function=link_or_copy)


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


def check(mutants):
    """Exits unless every edit can be applied to the sources."""
    for mutant in mutants:
        for edit in mutant["edit"]:
            count = (ROOT / edit["file"]).read_text().count(edit["find"])
            if count != 1:
                sys.exit(f"{mutant['name']}: {edit['find']!r} occurs {count} times in {edit['file']}")


def select(mutants, arguments):
    """Returns the faults to plant."""
    if arguments == ["--all"]:
        return mutants
    if arguments:
        return [mutant for mutant in mutants if any(word in mutant["name"] for word in arguments)]
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    if commit.returncode != 0:
        return mutants
    return mutants[int(commit.stdout, 16) % PARTS :: PARTS]


def plant(copy, mutant):
    """Applies the edits of the fault to the copy. Returns the original texts by path."""
    originals = {}
    for edit in mutant["edit"]:
        path = copy / edit["file"]
        text = path.read_text()
        originals.setdefault(path, text)
        path.write_text(text.replace(edit["find"], edit["replace"]))
    return originals


def restore(originals):
    for path, text in originals.items():
        path.write_text(text)


def run_mutant(copy, mutant):
    """Returns whether the simulation finds the fault, and a description of the result."""
    originals = plant(copy, mutant)
    try:
        built = cargo(copy, "--no-run")
        if built.returncode != 0:
            return False, "does not compile:\n" + built.stdout[-3000:]
        output = cargo(copy).stdout
    except subprocess.TimeoutExpired:
        return False, "timed out"
    finally:
        restore(originals)
    violations = re.findall(r'^seed (\d+) breaks "([^"]+)"', output, re.MULTILINE)
    if violations:
        seed = violations[0][0]
        properties = ", ".join(dict.fromkeys(name for _, name in violations))
        return True, f"seed {seed}: {properties}"
    return False, "NOT FOUND: " + output[-500:]


def main():
    mutants = tomllib.loads(MUTANTS.read_text())["mutant"]
    check(mutants)
    selected = select(mutants, sys.argv[1:])
    missed = 0
    reuse_dependencies()
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "copy"
        shutil.copytree(ROOT, copy, ignore=NOT_COPIED)
        for mutant in selected:
            started = time.monotonic()
            found, text = run_mutant(copy, mutant)
            missed += not found
            result, seconds = "found " if found else "MISSED", time.monotonic() - started
            print(f"{result} {mutant['name']:<55} {text} ({seconds:.0f} s)", flush=True)
    print(f"The simulation found {len(selected) - missed} of {len(selected)} faults.")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
