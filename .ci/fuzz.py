"""Calls the service by openapi.yaml with generated data, right and wrong, and fails if an answer is not as documented.

Starts the local stack in memory, from binaries that are already built. Run with the Python of the tools.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
STACK = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug" / "local"
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "ignored_auth",
]
START_SECONDS = 60
RUN_SECONDS = 240


def start(folder):
    """The stack, on any ports, and its HTTP address."""
    ready = folder / "ready.json"
    addresses = [text for name in ("http", "ws", "dynamodb") for text in (f"--{name}", "127.0.0.1:0")]
    command = [STACK, "--no-build", "--no-demo", "--memory", "--env", "RATE_LIMITS=off", *addresses, "--ready-file", ready]
    with open(folder / "log", "w") as log:
        stack = subprocess.Popen(command, stdout=log, stderr=log)
    deadline = time.monotonic() + START_SECONDS
    while not ready.exists():
        if stack.poll() is not None or time.monotonic() > deadline:
            stack.kill()
            sys.exit(f"the stack did not start:\n{(folder / 'log').read_text()}")
        time.sleep(0.1)
    return stack, json.loads(ready.read_text())["http"]


def call(url, body, token=None):
    headers = {"content-type": "application/json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def furnish(http):
    """Makes people who know ana, so that what she is shown leads somewhere; returns her token."""
    ana = call(f"{http}/local/token", {"username": "ana"})
    for name in ["ben", "cleo", "dana"]:
        token = call(f"{http}/local/token", {"username": name})["access_token"]
        call(f"{http}/api/v1/friends/requests", {"receiver_id": ana["user_id"]}, token)
        room = call(f"{http}/api/v1/chat/rooms", {"participant_ids": [ana["user_id"]]}, token)
        call(f"{http}/api/v1/chat/messages", {"chat_room_id": room["id"], "content": "Hi Ana!"}, token)
    return ana["access_token"]


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        stack, http = start(folder)
        try:
            command = [
                pathlib.Path(sys.executable).with_name("schemathesis"),
                "run",
                ROOT / "openapi.yaml",
                f"--url={http}",
                f"--header=Authorization: Bearer {furnish(http)}",
                f"--checks={','.join(CHECKS)}",
                "--phases=examples,coverage,fuzzing,stateful",
                "--max-examples=100",
                "--seed=1",
                # It would only say that most of what is wrong on purpose is refused.
                "--warnings=off",
            ]
            # In the temporary folder, because it keeps notes where it runs.
            result = subprocess.run(command, cwd=folder, timeout=RUN_SECONDS).returncode
            if stack.poll() is not None:
                sys.exit(f"the stack ended:\n{(folder / 'log').read_text()[-4000:]}")
        finally:
            stack.terminate()
            try:
                stack.wait(30)
            except subprocess.TimeoutExpired:
                stack.kill()
    sys.exit(result)


if __name__ == "__main__":
    main()
