"""Files to take away: a run in the format asked for, the same bytes wherever it is asked.

They are sent as they are made. Must not keep a whole file in memory.
"""

from __future__ import annotations

from starlette.responses import Response, StreamingResponse

from handlers.problems import Problem, not_found
from reconciler.context import Context
from reconciler.reconciling import exports
from reconciler.store import runs

MEDIA = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


async def run_file(context: Context, id: str, format: str) -> Response:
    """The run with this id (or `latest`). Raises Problem 400 for a format that there is not, 404
    for such a run."""
    if format not in exports.FORMATS:
        raise Problem(400, "bad_format", "format must be json, csv or xlsx.")
    async with context.database.read() as session:
        row = await runs.run(session, id)
    if row is None:
        raise not_found("run", id)
    headers = {
        "Content-Disposition": f'attachment; filename="{row["id"]}.{format}"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    pieces = exports.exported(context, row, format)
    return StreamingResponse(pieces, 200, headers, media_type=MEDIA[format])
