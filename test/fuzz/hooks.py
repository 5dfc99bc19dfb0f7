"""Leads about half of the generated requests to resources that exist (made by run.js): ids that are made up find only 403 and 404, and
never the code behind them. What is replaced follows from the request alone, so that the same seed sends the same requests again."""

import json
import os
import re
import zlib

import schemathesis

KNOWN = json.loads(os.environ["FUZZ_KNOWN"])
KEY = re.compile(r"[!-~]([ -~]{0,253}[!-~])?")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.I)


def chosen(value, known):
    """One of the known ones, or None to leave it. A value that is no UUID is what the request tests: it stays."""
    if not isinstance(value, str) or not UUID.fullmatch(value):
        return None
    number = zlib.crc32(value.encode())
    return None if number % 2 else known[(number >> 1) % len(known)]


@schemathesis.serializer("application/x-ndjson", "application/jsonl", "application/offset+octet-stream", "application/pkcs10")
def lines(_context, value):
    """A file is any bytes: what is no line of JSON is what the request tests."""
    data = getattr(value, "data", value)
    return data if isinstance(data, bytes) else str(data).encode("utf-8", "surrogatepass")


@schemathesis.hook
def before_call(_context, case, _kwargs):
    shorten_wait(case)
    # Links of the stateful phase name what was made before, and checks remember it.
    if case.meta is not None and case.meta.phase.name.value == "stateful":
        return
    path, parameters = case.operation.path, case.path_parameters or {}
    if path.startswith("/download/"):
        lead_to_download(case, path, parameters)
    elif path.startswith("/device/v1/children/{device}"):
        lead(parameters, "device", "devices", case)
    elif path.startswith("/v1/device-types/{id}"):
        lead(parameters, "id", "deviceTypes", case)
    elif path.startswith("/v1/firmwares/{id}"):
        lead(parameters, "id", "drafts" if case.method == "POST" else "firmwares", case)
    elif path.startswith("/v1/devices/{deviceId}"):
        lead_to_installation(parameters)
    elif path.startswith("/v1/devices/{id}"):
        lead(parameters, "id", "devices", case)
    elif path.startswith("/v1/rollouts/{id}"):
        lead_to_rollout(parameters)
    if path.startswith("/device/v1/"):
        lead_to_report(case)
    lead_inside(case.body)
    lead_to_effect(case)


def lead_to_effect(case):
    """A key that came before hides what is behind it: most of those that are well made are taken away."""
    key = next((name for name in case.headers or {} if name.lower() == "idempotency-key"), None)
    if key is not None and KEY.fullmatch(str(case.headers[key])) and zlib.crc32(repr(case.body).encode("utf-8", "replace")) % 4:
        del case.headers[key]


def lead(parameters, name, kind, case):
    """Only the last third may be deleted: the others are there to the end."""
    known = KNOWN[kind]
    deletes = case.method == "DELETE" and case.operation.path.count("{") == 1
    found = chosen(parameters.get(name), known[-max(1, len(known) // 3):] if deletes else known)
    if found is None:
        return
    parameters[name] = found
    if "slotName" in parameters and zlib.crc32(parameters["slotName"].encode("utf-8", "replace")) % 2 == 0:
        parameters["slotName"] = "firmware"


def lead_to_installation(parameters):
    found = chosen(parameters.get("installationId", parameters.get("deviceId")), KNOWN["installations"])
    if found is None:
        return
    parameters["deviceId"] = found["deviceId"]
    if "installationId" in parameters:
        parameters["installationId"] = found["id"]


def shorten_wait(case):
    """A long poll says nothing more than a short one."""
    wait = (case.query or {}).get("wait")
    first = wait[0] if isinstance(wait, list) and len(wait) == 1 else wait
    if isinstance(first, str) and re.fullmatch(r"P[0-9A-Z.,]{1,20}", first):
        case.query["wait"] = "PT1S"


def lead_to_report(case):
    """Half of the reports are about an installation that there is."""
    if isinstance(case.body, dict):
        found = chosen(case.body.get("installationId"), KNOWN["installations"])
        if found is not None:
            case.body["installationId"] = found["id"]


def lead_to_rollout(parameters):
    found = chosen(parameters.get("id"), KNOWN["rollouts"])
    if found is None:
        return
    parameters["id"] = found
    if "name" in parameters and zlib.crc32(parameters["name"].encode("utf-8", "replace")) % 2 == 0:
        parameters["name"] = "canary"


def lead_to_download(case, path, parameters):
    firmware = path.startswith("/download/firmwares/")
    link = chosen(parameters.get("firmwareId" if firmware else "installationId"), KNOWN["firmwareLinks" if firmware else "installationLinks"])
    if link is None:
        return
    parameters.update(link["path"])
    case.query = dict(link["query"])


def lead_inside(body):
    """References in a body: the contract's own names."""
    if not isinstance(body, dict):
        return
    inner = body.get("info") if isinstance(body.get("info"), dict) else body
    for name, kind in (("firmwareId", "firmwares"), ("deviceTypeId", "deviceTypes"), ("connectedBy", "devices")):
        found = chosen(inner.get(name), KNOWN[kind])
        if found is not None:
            inner[name] = found
    if "firmwareId" in body and isinstance(body.get("slot"), str) and zlib.crc32(body["slot"].encode("utf-8", "replace")) % 2 == 0:
        body["slot"] = "firmware"
    lead_to_plan(body)


def lead_to_plan(body):
    """A plan is refused for the first firmware and device that nobody knows: half of those that are well made install something somewhere."""
    steps, targets = body.get("steps"), body.get("targets")
    if not isinstance(steps, list) or not isinstance(targets, dict):
        return
    for step in steps:
        if isinstance(step, dict):
            lead_inside(step)
    named = targets.get("deviceIds")
    if isinstance(named, list):
        found = [chosen(one, KNOWN["devices"]) or one for one in named]
        targets["deviceIds"] = found if any(not isinstance(one, str) for one in found) else list(dict.fromkeys(found))


@schemathesis.hook
def after_call(_context, case, response):
    # Devices have POST of it and operators GET, each in a document of its own. Allow names both, as it should.
    if case.operation.path == "/v1/enrolments" and response.request.method == "OPTIONS":
        response.headers.pop("allow", None)
