"""Writes the Postman collection and its environment, made of the OpenAPI document."""

import json
import sys
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parent))

from postman.samples import sample
from postman.walk import folder

SOURCE: Final = Path("docs/openapi.json")
TARGET: Final = Path("docs/postman")
# After these the caller can do no more, so they come last.
_LAST: Final = frozenset({
    "AccountService_DeleteAccount", "AuthService_Logout", "AuthService_RevokeAllSessions",
    "AuthService_ChangePassword", "TradingService_KillSwitch", "MarketControlService_Halt",
})  # fmt: skip
_CHECKS: Final = """\
pm.test("is no fault of the server", () => {
  pm.expect(pm.response.code, pm.response.text()).to.not.be.oneOf([500, 502, 504]);
});
if (pm.response.code >= 400) {
  pm.test("a refusal has one stable reason", () => {
    const reasons = pm.response.json().details.filter((one) => one.reason);
    pm.expect(reasons.length, pm.response.text()).to.equal(1);
    pm.expect(reasons[0].reason).to.match(/^[A-Z0-9_]{3,63}$/);
  });
}""".splitlines()


def main() -> None:
    """Writes them where the first argument says, or to their place."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET
    document = json.loads(SOURCE.read_text())
    files = {
        "farmgate.postman_collection.json": collection(document),
        "farmgate.postman_environment.json": environment(),
    }
    target.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (target / name).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def collection(document: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a folder a service, and those of the first trade and of leaving."""
    folders: dict[str, list[Any]] = {tag["name"]: [] for tag in document["tags"]}
    last: list[Any] = []
    for path, verb, operation in _operations(document):
        made = _item(document, path, verb, operation)
        is_last = operation["operationId"] in _LAST
        (last if is_last else folders[operation["tags"][0]]).append(made)
    return {
        "info": {
            "name": "Farmgate",
            "description": "Run the folder “First trade” first: it signs in. Streams are left "
            "out: Postman waits for the end of an answer.",
            "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json",
        },
        "auth": {"type": "bearer", "bearer": [_held("{{token}}")]},
        "event": [{"listen": "test", "script": {"type": "text/javascript", "exec": _CHECKS}}],
        "variable": [{"key": key, "value": ""} for key in ("token", "jan", "admin", "order_id")],
        "item": [
            folder(),
            *[{"name": name, "item": items} for name, items in folders.items() if items],
            {"name": "Leaving", "description": "Ends what the rest needs.", "item": last},
        ],
    }


def environment() -> dict[str, Any]:
    """Returns the environment of `make up`."""
    values = {"base": "http://127.0.0.1:8080", "password": "Demo-Pass-2026!"}
    return {
        "name": "Farmgate on this machine",
        "values": [{"key": key, "value": value, "enabled": True} for key, value in values.items()],
    }


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    for path, operations in document["paths"].items():
        for verb, operation in operations.items():
            kinds = operation["responses"]["200"]["content"]
            if "text/event-stream" not in kinds:
                yield path, verb, operation


def _item(
    document: Mapping[str, Any], path: str, verb: str, operation: Mapping[str, Any]
) -> dict[str, Any]:
    schemas = document["components"]["schemas"]
    query, headers = [], []
    for one in operation.get("parameters", []):
        if "$ref" in one:
            headers.append({"key": "Idempotency-Key", "value": "{{$guid}}"})
            continue
        value = sample(one["schema"], schemas, one["name"])
        if one["in"] == "path":
            text = "{{order_id}}" if one["name"] == "order_id" else str(value)
            path = path.replace(f"{{{one['name']}}}", text)
        else:
            text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
            query.append({"key": one["name"], "value": text, "disabled": not one.get("required")})
    shown = [f"{one['key']}={urllib.parse.quote(one['value'])}" for one in query
             if not one["disabled"]]  # fmt: skip
    request: dict[str, Any] = {
        "method": verb.upper(),
        "url": {
            "raw": "{{base}}" + path + ("?" + "&".join(shown) if shown else ""),
            "host": ["{{base}}"],
            "path": path.strip("/").split("/"),
            "query": query,
        },
        "header": headers,
        "description": operation["description"],
    }
    if not operation["security"]:
        request["auth"] = {"type": "noauth"}
    elif "/admin/" in path:
        request["auth"] = {"type": "bearer", "bearer": [_held("{{admin}}")]}
    _add_body(request, operation, schemas)
    return {"name": operation["summary"], "request": request}


def _add_body(
    request: dict[str, Any], operation: Mapping[str, Any], schemas: Mapping[str, Any]
) -> None:
    content = operation.get("requestBody", {}).get("content", {})
    if "application/json" in content:
        media = content["application/json"]
        example = media.get("examples", {}).get("example", {}).get("value")
        value = sample(media["schema"], schemas, "") if example is None else example
        request["header"].append({"key": "content-type", "value": "application/json"})
        request["body"] = {"mode": "raw", "raw": json.dumps(value, indent=1)}
    elif content:
        request["header"].append({"key": "content-type", "value": next(iter(content))})
        request["body"] = {"mode": "raw", "raw": "example"}


def _held(token: str) -> dict[str, str]:
    return {"key": "token", "value": token, "type": "string"}


if __name__ == "__main__":
    main()
