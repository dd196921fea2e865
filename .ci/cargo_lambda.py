"""Runs single functions with the real `cargo lambda`, as README.md and docs/development.md describe it.

Starts the local stack and `cargo lambda watch`, invokes sample events of different domains, and runs the documented commands
with the ports of this run. Must run with the Python of the tools environment that `.ci/run` installs.
"""

import json
import os
import pathlib
import re
import shlex
import socket
import subprocess
import sys
import tempfile

from stack import ROOT, stack, stop, wait_for

# The sample events, and the status of their answers with the data of the demo users.
SAMPLES = {
    "users/get-me": 200,
    "users/delete-me": 204,
    "friends/list": 200,
    "chat/list-rooms": 200,
    "chat/create-room": 200,
    "chat/edit-message": 404,
    "devices/register": 204,
    "http/unknown": 200,
    "socket/hello": 200,
    # The answer of a scheduled function is null.
    "maintenance/complete-deletions": None,
}
ENVIRONMENT = {**os.environ, "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"}


def run(command, **options):
    result = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=600, **options)
    if result.returncode != 0:
        sys.exit(f"{command} failed:\n{result.stdout}{result.stderr}")
    return result.stdout


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def is_open(port):
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def invoke(port, sample):
    """Invokes a function with its sample event. Returns its answer."""
    command = ["cargo", "lambda", "invoke", "-A", "127.0.0.1", "-P", str(port), "-F", f"events/{sample}.json"]
    return json.loads(run([*command, sample.replace("/", "-")]))


def documented(pattern):
    """Returns the documented commands that match a pattern; there must be some."""
    text = "".join((ROOT / name).read_text() for name in ("README.md", "docs/development.md"))
    return re.findall(pattern, text, re.MULTILINE) or sys.exit(f"no documented command matches {pattern}")


def check(port, http):
    for sample, status in SAMPLES.items():
        answer = invoke(port, sample)
        found = answer and answer["statusCode"]
        print(f"{sample}: {found}")
        if found != status:
            sys.exit(f"{sample}: {json.dumps(answer)}")
    for command in documented(r"^cargo lambda invoke .*$"):
        answer = json.loads(run(shlex.split(command.replace("127.0.0.1", f"127.0.0.1 -P {port}"))))
        print(f"{command}: {answer['statusCode']}")
    for command in documented(r"^curl .*:9000/.*$"):
        command = command.replace(":9000", f":{port}").replace("-- token", f"-- token --http {http.removeprefix('http://')}")
        friends = json.loads(run(["bash", "-c", command.replace("curl", "curl -sf", 1)]))
        print(f"{command}: {len(friends)} friends")
        if not friends:
            sys.exit("Ana has friends")


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        with stack(folder, "--data", folder / "data") as http:
            port, log = free_port(), folder / "watch.log"
            command = ["cargo", "lambda", "watch", "-A", "127.0.0.1", "-P", str(port), "--env-file", folder / "data" / "env"]
            with log.open("w") as output:
                watch = subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, stdout=output, stderr=output)
            try:
                wait_for(watch, lambda: is_open(port), log)
                check(port, http)
            except BaseException:
                print(log.read_text()[-4000:])
                raise
            finally:
                stop(watch)


if __name__ == "__main__":
    main()
