"""Starts the local stack, from binaries that are already built."""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
STACK = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug" / "local"
START_SECONDS = 60


@contextlib.contextmanager
def stack(folder, *options):
    """Starts the stack on free ports. Its log and its addresses are written to the folder. Yields its HTTP address."""
    log, ready = folder / "log", folder / "ready.json"
    addresses = [text for name in ("http", "ws", "dynamodb") for text in (f"--{name}", "127.0.0.1:0")]
    with log.open("w") as output:
        command = [STACK, "--no-build", *addresses, "--ready-file", ready, *options]
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        wait_for(process, ready.exists, log)
        yield json.loads(ready.read_text())["http"]
        if process.poll() is not None:
            sys.exit(f"the stack stopped:\n{log.read_text()[-4000:]}")
    finally:
        stop(process)


def wait_for(process, is_ready, log):
    """Waits until a process is ready. Exits with its log if it ends or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while not is_ready():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            sys.exit(f"{process.args[0]} did not start:\n{log.read_text()}")
        time.sleep(0.1)


def stop(process):
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
