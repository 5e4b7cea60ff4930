"""`/docs`: the API on one quiet page without scripts, made from its OpenAPI description."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

# Path -> commands that run as they stand; {address} and {token} are filled in.
EXAMPLES: dict[str, Sequence[str]] = {
    "/health": ["curl {address}/health"],
    "/metrics": ["curl {token}{address}/metrics"],
    "/model": ["curl {token}{address}/model"],
    "/examples": ["curl {token}{address}/examples"],
    "/examples/{name}": ["curl {token}{address}/examples/sinus-rhythm"],
    "/read": ["curl {token}-F file=@ecg.xml '{address}/read?start=0&seconds=60'"],
    "/predict": [
        "curl {token}-F file=@ecg.xml {address}/predict",
        "curl {token}-F file=@ecg.hea -F file=@ecg.dat '{address}/predict?use_leads=I,II,V2'",
        "curl {token}-F file=@rows.npy -F sample_rate=500 -F leads=I,II -F unit=mV"
        " {address}/predict",
        "curl {token}-H 'Content-Type: application/json' -d @ecg.json {address}/predict",
    ],
    "/embed": ["curl {token}-F file=@ecg.xml {address}/embed"],
    "/delineate": ["curl {token}-F file=@ecg.xml {address}/delineate"],
    "/identify": ["curl {token}-F file=@ecg.xml '{address}/identify?top=5'"],
    "/explain": ["curl {token}-F file=@ecg.xml '{address}/explain?method=gradients'"],
    "/plot": ["curl {token}-F file=@ecg.xml '{address}/plot?format=pdf&report=true' -o ecg.pdf"],
}
_JSON_BODY = """{"recordings": [{"signal": [[0.01, 0.02], [0.00, 0.01]], "leads": ["I", "II"],
                 "sample_rate": 500, "unit": "mV", "name": "ecg"}]}"""
_TOKEN = "-H 'Authorization: Bearer TOKEN' "


def api_page(described: Mapping[str, Any], address: str, wants_token: bool, notice: str) -> str:
    """The page.

    Args:
        described: the OpenAPI description.
        address: under which the server was asked.
        wants_token: whether requests must bear one.
        notice: what stands above everything.
    """
    routes = "".join(
        _route(path, method, facts, address, _TOKEN if wants_token else "")
        for path, methods in described["paths"].items()
        for method, facts in methods.items()
    )
    token = (
        "<p>Requests bear a token: <code>Authorization: Bearer TOKEN</code>.</p>"
        if wants_token
        else ""
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>anylead: the API</title>
<link rel="icon" href="/page/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/page/style.css">
</head>
<body class="api">
<header><h1>anylead: the API</h1><p><a href="/">to the page</a></p></header>
<p class="notice">{escape(notice)}</p>
<section>
<h2>Bodies</h2>
<p>ECG files go as a form (field <code>file</code>, several at once; WFDB: header and samples),
numbers as JSON:</p>
<pre tabindex="0"><code>{escape(_JSON_BODY)}</code></pre>
<p>An answer that is no success is <code>{{"error": "..."}}</code>, in one line.
For generators of clients: <a href="/openapi.json">openapi.json</a>.</p>
{token}
</section>
{routes}
</body>
</html>
"""


def _route(path: str, method: str, facts: Mapping[str, Any], address: str, token: str) -> str:
    commands = [line.format(address=address, token=token) for line in EXAMPLES.get(path, ())]
    rows = "".join(_parameter(each) for each in facts.get("parameters", ()))
    parameters = (
        '<div class="wide"><table><thead><tr><th scope="col">query</th><th scope="col">type</th>'
        f'<th scope="col">default</th></tr></thead><tbody>{rows}</tbody></table></div>'
        if rows
        else ""
    )
    refusals = ", ".join(
        f"{status} {answer['description']}"
        for status, answer in facts["responses"].items()
        if not status.startswith("2")
    )
    told = f'<p class="hint">Refusals: {escape(refusals)}.</p>' if refusals else ""
    return (
        f"<section><h2><code>{method.upper()} {escape(path)}</code></h2>"
        f"<p>{escape(' '.join(facts.get('description', '').split()))}</p>"
        f'<pre tabindex="0"><code>{escape(chr(10).join(commands))}</code></pre>{parameters}{told}'
        "</section>\n"
    )


def _parameter(each: Mapping[str, Any]) -> str:
    kinds = each["schema"].get("anyOf", [each["schema"]])
    words = [_kind(kind) for kind in kinds if kind.get("type") != "null"]
    about = each.get("description") or each["schema"].get("description") or ""
    default = each["schema"].get("default")
    return (
        f"<tr><td><code>{escape(each['name'])}</code> {escape(about)}</td>"
        f"<td>{escape(' or '.join(words))}</td>"
        f"<td>{escape('' if default is None else str(default))}</td></tr>"
    )


def _kind(kind: Mapping[str, Any]) -> str:
    if "enum" in kind:
        return ", ".join(str(value) for value in kind["enum"])
    return str(kind.get("type", ""))
