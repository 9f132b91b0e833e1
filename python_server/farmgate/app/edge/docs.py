"""The page of the API: what there is, until the interactive documentation takes its place."""

import base64
import hashlib
from html import escape
from typing import Final

from farmgate.app.edge.descriptors import Binding, bindings
from farmgate.rpc.methods import role_names

FILE_NAME: Final = "docs.html"
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}td{padding:.2rem .6rem;border-top:1px solid #ccc}"
    "code{font:14px ui-monospace,monospace}"
)
_DIGEST: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
# What the page may load: nothing but its own style.
SECURITY_POLICY: Final = f"default-src 'none'; style-src 'sha256-{_DIGEST}'; frame-ancestors 'none'"


def page() -> str:
    """Returns the page as HTML."""
    groups: dict[str, list[Binding]] = {}
    for binding in bindings():
        groups.setdefault(binding.method.service, []).append(binding)
    sections = "\n".join(_section(service, groups[service]) for service in sorted(groups))
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>Farmgate API</title>\n'
        f"<style>{_STYLE}</style>\n<h1>Farmgate API</h1>\n"
        "<p>Sign in with <code>POST /v1/auth/login</code> and send the token as "
        "<code>Authorization: Bearer …</code>. Every refusal is a <code>google.rpc.Status</code> "
        "with one <code>ErrorInfo</code>, whose <code>reason</code> never changes. The same "
        "methods answer to gRPC and gRPC-Web. Streams answer as JSON lines, and to "
        "<code>Accept: text/event-stream</code> as events; those under <code>/v1/events/</code> "
        "are for <code>EventSource</code>.</p>\n"
        f"{sections}\n</html>\n"
    )


def _section(service: str, found: list[Binding]) -> str:
    rows = "\n".join(
        f"<tr><td><code>{binding.verb} {escape(binding.path)}</code><td>{binding.method.name}"
        f"{' (stream)' if binding.is_stream else ''}<td>{_who(binding)}"
        for binding in found
    )
    return f"<h2><code>{service}</code></h2>\n<table>\n{rows}\n</table>"


def _who(binding: Binding) -> str:
    """Returns who may call, in words."""
    rule = binding.method.rule
    if rule.is_public:
        return "anyone"
    names = role_names()
    words = ", ".join(names[role].lower() for role in sorted(rule.roles)) or "signed in"
    if rule.kyc_level_min:
        words += f", KYC level {rule.kyc_level_min}"
    return words.replace("_", " ")
