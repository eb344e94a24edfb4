"""A page that shows the OpenAPI document.  It fetches nothing but the document, from the same server."""

import base64
import hashlib

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#1a1a1a}
h2{font-size:1.05rem;margin:2rem 0 .3rem}code{background:#f1f1f1;padding:.1rem .3rem}
.method{display:inline-block;min-width:4.5rem;font-weight:bold}
table{border-collapse:collapse;margin:.5rem 0}
td{border-top:1px solid #ccc;padding:.2rem 1rem .2rem 0;vertical-align:top}
pre{background:#f6f6f6;padding:.6rem;overflow:auto}
"""

_SCRIPT = """
const make = (tag, text, ...inside) => {
  const one = document.createElement(tag);
  if (text) one.textContent = text;
  one.append(...inside);
  return one;
};
const rows = (pairs) => make('table', '', ...pairs.map(([name, text]) =>
  make('tr', '', make('td', '', make('code', name)), make('td', text))));
fetch('openapi.json').then((answer) => answer.json()).then((spec) => {
  const page = document.querySelector('main');
  for (const [path, methods] of Object.entries(spec.paths)) {
    for (const [method, one] of Object.entries(methods)) {
      const head = make('h2', '', make('span', method.toUpperCase()), make('code', path));
      head.firstChild.className = 'method';
      page.append(head, make('p', one.summary + '.'));
      if (one.description) page.append(make('p', one.description));
      if (one['x-scope']) page.append(make('p', 'Scope of the key: ' + one['x-scope']));
      if (one.parameters.length) page.append(rows(one.parameters.map((p) => [p.name, p.description || ''])));
      if (one.requestBody) {
        const name = one.requestBody.content['application/json'].schema.$ref.split('/').pop();
        page.append(make('p', 'Body: ' + name));
      }
      page.append(rows(Object.entries(one.responses).map(([status, r]) => [status, r.description])));
    }
  }
  page.append(make('h1', 'Types'));
  for (const [name, schema] of Object.entries(spec.components.schemas)) {
    page.append(make('h2', name), make('pre', JSON.stringify(schema, null, 2)));
  }
});
"""

_PAGE = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Trunkline API</title><style>{_STYLE}</style></head>
<body><main><h1>Trunkline API</h1><p>From <a href="openapi.json">openapi.json</a> (OpenAPI 3.1).</p></main>
<script>{_SCRIPT}</script></body></html>
"""


def _hashed(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


_POLICY = (
    f"default-src 'none'; script-src {_hashed(_SCRIPT)}; style-src {_hashed(_STYLE)}; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""https://www.w3.org/TR/CSP3/"""


async def reference_page(_: Request) -> Response:
    """Return the page."""
    headers = {"content-security-policy": _POLICY, "x-content-type-options": "nosniff"}
    return HTMLResponse(_PAGE, headers=headers)
