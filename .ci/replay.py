"""Replays the DynamoDB calls of the tests on a second engine, moto.

Fails if one engine refuses a request that the other one accepts: the embedded engine accepts some requests that DynamoDB
refuses, and no test on the embedded engine alone can find them.

The argument is the folder with the recordings of a test run (DYNAMODB_RECORDINGS). Each recording has the calls to one table
in the order of their answers, so it can be replayed alone. Many tests make the same calls: only as many recordings are
replayed as contain every shape of call. Without an argument, the script only tests itself.

Concurrent calls may be answered in another order than they were executed in. Only refusals of a request as such are
compared; a failed condition and a conflict count as accepted.
"""

import collections
import http.client
import json
import logging
import pathlib
import sys
import time

from moto.server import ThreadedMotoServer

ACCEPTED = {
    "ConditionalCheckFailedException",
    "TransactionCanceledException",
    "TransactionConflictException",
    "TransactionInProgressException",
}
# Differences that are known: an operation, a part of moto's answer, and why the difference does not matter.
EXCEPTIONS = []
KEYS = ["pk", "sk"]
TYPES = {"S", "N", "B", "BOOL", "NULL", "L", "M", "SS", "NS", "BS"}
READS = {"GetItem", "BatchGetItem", "Query", "Scan"}
# Replays take several milliseconds per call.
MAX_CALLS = 60_000
AUTHORIZATION = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0"


class Moto:
    """A moto server with the tables of one recording."""

    def __init__(self):
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self.server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self.server.start()
        self.connection = http.client.HTTPConnection(*self.server.get_host_and_port())
        self.tables = set()

    def reset(self):
        self.tables.clear()
        self.send("/moto-api/reset", b"", {})

    def send(self, path, body, headers):
        self.connection.request("POST", path, body, headers)
        text = self.connection.getresponse().read()
        try:
            return json.loads(text)
        except ValueError:
            # moto fails on some requests with a page of HTML.
            return {"__type": "InternalFailure", "message": text.decode(errors="replace")[:200]}

    def call(self, operation, request):
        headers = {
            "authorization": AUTHORIZATION,
            "content-type": "application/x-amz-json-1.0",
            "x-amz-target": f"DynamoDB_20120810.{operation}",
        }
        return self.send("/", json.dumps(request).encode(), headers)

    def replay(self, operation, request):
        """Returns the answer. The tables of the request are created before."""
        for table in tables(request) - self.tables:
            self.tables.add(table)
            schema = {
                "TableName": table,
                "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": [{"AttributeName": key, "KeyType": kind} for key, kind in zip(KEYS, ["HASH", "RANGE"])],
                "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"} for key in KEYS],
            }
            self.call("CreateTable", schema)
        return self.call(operation, request)


def tables(request):
    """Returns the names of the tables in a request."""
    if isinstance(request, dict):
        if isinstance(request.get("TableName"), str):
            return {request["TableName"]}
        if "RequestItems" in request:
            return set(request["RequestItems"])
        return tables(request.get("TransactItems"))
    return set().union(*(tables(write) for action in request or [] for write in action.values()))


def refusal(answer):
    """Returns why an answer refuses the request as such, or None."""
    kind = (answer.get("__type") or "").split("#")[-1]
    reasons = [reason for reason in answer.get("CancellationReasons") or [] if reason.get("Code") == "ValidationError"]
    if kind and kind not in ACCEPTED:
        return f"{kind}: {answer.get('message') or answer.get('Message')}"
    return json.dumps(reasons) if reasons else None


def kinds(value):
    """Returns the types in an item, and which of them have empty values."""
    if isinstance(value, list):
        return set().union(*map(kinds, value))
    if not isinstance(value, dict):
        return set()
    own = {f"empty {name}" if part in ("", [], {}) else name for name, part in value.items() if name in TYPES}
    return own.union(*map(kinds, value.values()))


def shape(value):
    """Returns a request without its texts and numbers. Expressions stay, and of an item, the types."""
    if isinstance(value, dict):
        parts = {name: part for name, part in value.items() if name != "TableName"}
        for name, part in parts.items():
            if name == "Item":
                parts[name] = sorted(kinds(part))
            elif not name.endswith("Expression"):
                parts[name] = shape(part)
        return parts
    if isinstance(value, list):
        return sorted({json.dumps(shape(part), sort_keys=True) for part in value})
    if isinstance(value, str):
        return "text" if value else ""
    return type(value).__name__


def load(path):
    with path.open() as lines:
        return [json.loads(line) for line in lines]


def shape_of(call):
    """Returns the shape of a call, with its outcome: a failed condition may hide the rest of a request."""
    return json.dumps((call["operation"], shape(call["request"]), call["error"]), sort_keys=True)


def cost(calls):
    """Returns what it costs to replay calls: moto copies its tables for every transaction."""
    total = stored = 0
    for call in calls:
        if call["operation"] not in READS:
            stored += len(json.dumps(call["request"]))
        if call["operation"] == "TransactWriteItems":
            total += stored
    return total


def select(recordings):
    """Yields calls to replay, which contain every shape: of each recording that has new shapes, cheap ones first, the
    calls up to the last new shape, without reads that have no new shape."""
    covered = set()
    for path in sorted(recordings, key=lambda path: cost(load(path))):
        selected, end = [], 0
        for call in load(path):
            is_new = (its := shape_of(call)) not in covered
            covered.add(its)
            if is_new or call["operation"] not in READS:
                selected.append(call)
            end = len(selected) if is_new else end
        if end:
            yield selected[:end]


def difference(moto, call):
    """Replays a call. Returns a description if only one engine refuses it."""
    answer = moto.replay(call["operation"], call["request"])
    theirs, ours = refusal(answer), refusal({"__type": call["error"]})
    if bool(theirs) == bool(ours) or any(call["operation"] == name and part in (theirs or "") for name, part, _ in EXCEPTIONS):
        return None
    who = "moto accepts what the embedded engine refuses" if ours else "the embedded engine accepts what moto refuses"
    return f"{who}: {theirs or ours}"


def test_itself(moto):
    """Fails unless faults that the embedded engine once accepted are found, and correct calls are not reported."""
    query = {"TableName": "self-test", "KeyConditionExpression": "pk = :pk AND sk BETWEEN :first AND :last"}
    bounds = lambda first: {":pk": {"S": "p"}, ":first": {"S": first}, ":last": {"S": "z"}}
    put = {"TableName": "self-test", "Item": {"pk": {"S": "p"}, "sk": {"S": "s"}}}
    condition = {**put, "ConditionExpression": "attribute_not_exists(pk)"}
    get = {"self-test": {"Keys": [put["Item"]]}}
    twice = {"self-test": {"Keys": [put["Item"], put["Item"]]}}
    failed = "ConditionalCheckFailedException"
    for operation, request, error, is_reported in [
        ("PutItem", put, None, False),
        ("PutItem", condition, failed, False),
        ("PutItem", condition, None, False),
        ("PutItem", put, "ValidationException", True),
        ("Query", {**query, "ExpressionAttributeValues": bounds("a")}, None, False),
        ("Query", {**query, "ExpressionAttributeValues": bounds("")}, None, True),
        ("Query", {**query, "ExpressionAttributeValues": bounds("")}, "ValidationException", False),
        ("BatchGetItem", {"RequestItems": get}, None, False),
        ("BatchGetItem", {"RequestItems": twice}, None, True),
    ]:
        found = difference(moto, {"operation": operation, "request": request, "error": error})
        if bool(found) != is_reported:
            sys.exit(f"the comparison is wrong: {operation} {json.dumps(request)} after {error}: {found}")


def main():
    moto = Moto()
    test_itself(moto)
    if len(sys.argv) < 2:
        return
    recordings = sorted(pathlib.Path(sys.argv[1]).glob("*.jsonl"))
    if not recordings:
        sys.exit(f"{sys.argv[1]} has no recordings")
    started, count, found = time.monotonic(), 0, {}
    for calls in select(recordings):
        moto.reset()
        for call in calls:
            if text := difference(moto, call):
                found.setdefault((call["operation"], text), call["request"])
            count += 1
    for (operation, text), request in found.items():
        print(f"{operation}: {text}\n  {json.dumps(request)[:2000]}")
    print(f"{count} calls replayed in {time.monotonic() - started:.0f} s, {len(found)} differences.")
    if count > MAX_CALLS:
        sys.exit(f"more than {MAX_CALLS} calls: the shapes of calls contain data")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
