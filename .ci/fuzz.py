"""Calls the service with valid and invalid data generated from openapi.yaml.

Fails if a response does not conform to openapi.yaml. Starts the local stack in memory, from binaries that are already
built. Must run with the Python of the tools environment that `.ci/run` installs.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import urllib.request

import yaml

from stack import ROOT, stack

CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "ignored_auth",
]
# The bodies of links, by operation and link. They are not in openapi.yaml, because OpenAPI Generator accepts only texts.
LINK_BODIES = {
    ("friendsSearchUsers", "request"): {"receiver_id": "$response.body#/0/id"},
    ("friendsSearchUsers", "room"): {"participant_ids": ["$response.body#/0/id"], "is_group": False},
    ("chatCreateRoom", "message"): {"chat_room_id": "$response.body#/id"},
    ("chatListRooms", "message"): {"chat_room_id": "$response.body#/0/id"},
    ("chatSendMessage", "edit"): {"content": "Hello Ben!"},
    ("chatListMessages", "edit"): {"content": "Hello Ben!"},
}
RUN_SECONDS = 240


def post(url, body, token=None):
    headers = {"content-type": "application/json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def create_fixtures(http):
    """Creates users with requests, rooms and messages for ana, so that her lists are not empty. Returns her token."""
    ana = post(f"{http}/local/token", {"username": "ana"})
    for name in ["ben", "cleo", "dana"]:
        token = post(f"{http}/local/token", {"username": name})["access_token"]
        post(f"{http}/api/v1/friends/requests", {"receiver_id": ana["user_id"]}, token)
        room = post(f"{http}/api/v1/chat/rooms", {"participant_ids": [ana["user_id"]]}, token)
        post(f"{http}/api/v1/chat/messages", {"chat_room_id": room["id"], "content": "Hi Ana!"}, token)
    return ana["access_token"]


def write_contract(path):
    """Writes openapi.yaml with the bodies of its links."""
    contract = yaml.safe_load((ROOT / "openapi.yaml").read_text())
    operations = {
        operation["operationId"]: operation for item in contract["paths"].values() for operation in item.values()
    }
    for (operation, link), body in LINK_BODIES.items():
        operations[operation]["responses"]["200"]["links"][link]["requestBody"] = body
    path.write_text(json.dumps(contract))


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        contract = folder / "openapi.json"
        write_contract(contract)
        with stack(folder, "--no-demo", "--memory", "--env", "RATE_LIMITS=off") as http:
            command = [
                pathlib.Path(sys.executable).with_name("schemathesis"),
                "run",
                contract,
                f"--url={http}",
                f"--header=Authorization: Bearer {create_fixtures(http)}",
                f"--checks={','.join(CHECKS)}",
                "--phases=examples,coverage,fuzzing,stateful",
                "--max-examples=100",
                "--seed=1",
                # Warnings would only report that the service rejects most of the intentionally invalid data.
                "--warnings=off",
            ]
            # Runs in the temporary folder, because Schemathesis writes files to its working directory.
            result = subprocess.run(command, cwd=folder, timeout=RUN_SECONDS).returncode
    sys.exit(result)


if __name__ == "__main__":
    main()
