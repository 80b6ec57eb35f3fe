"""Atom (RFC 4287): changes as a feed for readers. Every link and id is absolute, as not every reader resolves them."""

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import quote

from litestar import Response

from federation.database import EPOCH
from gateway.api.events_out import ChangeOut
from gateway.api.requests import AnyRequest
from gateway.pages.words import place
from gateway.waypost import Waypost

NAMESPACE = "http://www.w3.org/2005/Atom"


def feed(request: AnyRequest, waypost: Waypost, title: str, changes: Sequence[ChangeOut]) -> Response[bytes]:
    """Changes, the newest first, as the feed at the address that was asked for."""
    base = waypost.settings.server.public_url or str(request.base_url).rstrip("/")
    here = f"{base}{quote(request.url.path)}" + (f"?{request.url.query}" if request.url.query else "")
    root = ET.Element("feed", xmlns=NAMESPACE)
    _head(root, here, f"{title} · Waypost", changes[0].time if changes else EPOCH)
    ET.SubElement(root, "link", rel="self", href=here)
    ET.SubElement(ET.SubElement(root, "author"), "name").text = "Waypost"
    for one in changes:
        entry = ET.SubElement(root, "entry")
        _head(entry, f"{base}/changes#{one.id}", _said(one), one.time)
        ET.SubElement(entry, "link", rel="alternate", href=f"{base}{place(one)}")
        ET.SubElement(entry, "category", term=one.type)
    body: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    headers = {"Cache-Control": "no-store", "Vary": "Cookie"}
    return Response(body, media_type="application/atom+xml; charset=utf-8", headers=headers)


def _head(element: ET.Element, ident: str, title: str, updated: datetime) -> None:
    ET.SubElement(element, "id").text = ident
    ET.SubElement(element, "title").text = _fit(title)
    ET.SubElement(element, "updated").text = updated.isoformat().replace("+00:00", "Z")


def _said(one: ChangeOut) -> str:
    change = f": {one.before or 'nothing'} → {one.after or 'nothing'}" if one.before or one.after else ""
    fields = f" ({', '.join(one.fields)})" if one.fields else ""
    return f"{one.type} {one.subject}{change}{fields}"


def _fit(text: str) -> str:
    """Without what XML cannot hold."""
    return "".join(letter if letter >= " " and letter not in "\ufffe\uffff" else "\ufffd" for letter in text)
