"""Files: uploaded as evidence and the like, or written by Stripe as the result of a report.

Contents are kept as base64 text. Who may read them is decided at the door, as for all else.
"""

from base64 import b64decode, b64encode
from pathlib import PurePath

from reconciler.simulator.kernel.clock import DAY
from reconciler.simulator.kernel.pages import page
from reconciler.simulator.kernel.refusals import Refusal, malformed, missing_parameter, refused
from reconciler.simulator.kernel.world import Call, Json

_MEDIA = {
    "csv": "text/csv",
    "gif": "image/gif",
    "jpg": "image/jpeg",
    "pdf": "application/pdf",
    "png": "image/png",
    "txt": "text/plain",
}
_UNKNOWN_MEDIA = "application/octet-stream"
_MAGIC = ((b"%PDF", "pdf"), (b"\x89PNG", "png"), (b"\xff\xd8\xff", "jpg"), (b"GIF8", "gif"))

_MEGABYTE = 1024 * 1024
_LARGEST = {"dispute_evidence": 5, "identity_document": 16, "account_requirement": 16}
_LARGEST_OTHERWISE = 10
_PICTURES = ("jpg", "pdf", "png")
_PICTURES_ONLY = ("dispute_evidence", "identity_document", "additional_verification")


def create(call: Call) -> Json:
    """An upload. What it is shows in its first bytes, else in its name."""
    upload = call.form.mapping("file")
    purpose = call.form.needed("purpose")
    if "content" not in upload:
        raise missing_parameter("file")
    content = _decoded(str(upload["content"]))
    name = str(upload.get("name") or "") or None
    kind = _kind(content, name)
    refusal = _refusal(purpose, kind, content)
    if refusal is not None:
        raise refusal
    return write(call, purpose, content, kind, name)


def write(
    call: Call,
    purpose: str,
    content: bytes,
    kind: str | None,
    filename: str | None,
    title: str | None = None,
    days: int | None = None,
) -> Json:
    """Put a file on its shelf; it expires after so many days, if any are named."""
    file_id = call.world.ids.new("file")
    file: Json = {
        "id": file_id,
        "object": "file",
        "_content": b64encode(content).decode(),
        "created": call.now,
        "expires_at": None if days is None else call.now + days * DAY,
        "filename": filename,
        "links": {
            "object": "list",
            "data": [],
            "has_more": False,
            "url": f"/v1/file_links?file={file_id}",
        },
        "purpose": purpose,
        "size": len(content),
        "title": title,
        "type": kind,
        "url": f"{call.settings.files_base or call.address}/v1/files/{file_id}/contents",
    }
    return call.world.put(call.book, "file", file)


def retrieve(call: Call) -> Json:
    return _named(call)


def contents(call: Call) -> Json:
    """The bytes themselves, for the door to answer with."""
    file = _named(call)
    if file["expires_at"] is not None and file["expires_at"] <= call.now:
        raise Refusal("missing", f"File {file['id']} has expired.", code="resource_missing")
    return {
        "object": "_raw",
        "content": file["_content"],
        "filename": file["filename"] or file["id"],
        "type": _MEDIA.get(file["type"] or "", _UNKNOWN_MEDIA),
    }


def listing(call: Call) -> Json:
    return page(call, call.book.shelf("file"), equal=("purpose",))


def _named(call: Call) -> Json:
    file = call.book.shelf("file").get(call.path["id"])
    if file is None:
        message = f"No such file upload: '{call.path['id']}'"
        raise Refusal("missing", message, code="resource_missing", param="file")
    return file


def _decoded(content: str) -> bytes:
    try:
        return b64decode(content, validate=True)
    except ValueError:
        raise malformed("file", "Invalid file") from None


def _kind(content: bytes, name: str | None) -> str | None:
    for start, kind in _MAGIC:
        if content.startswith(start):
            return kind
    suffix = PurePath(name or "").suffix.removeprefix(".").lower()
    return {"jpeg": "jpg"}.get(suffix, suffix) or None


def _refusal(purpose: str, kind: str | None, content: bytes) -> Refusal | None:
    largest = _LARGEST.get(purpose, _LARGEST_OTHERWISE) * _MEGABYTE
    if not content:
        return refused("The file you have uploaded is empty.", param="file")
    if len(content) > largest:
        return refused(
            f"The file is too large: at most {largest // _MEGABYTE} MB for {purpose}.",
            "file_too_large",
            "file",
        )
    if purpose in _PICTURES_ONLY and kind not in _PICTURES:
        return refused(
            f"Invalid file type. Files for {purpose} must be one of {', '.join(_PICTURES)}.",
            "invalid_file_type",
            "file",
        )
    return None
