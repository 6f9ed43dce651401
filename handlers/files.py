"""Files to take away: a run in the format asked for, the same bytes wherever it is asked."""

from __future__ import annotations

from starlette.responses import Response

from handlers.problems import Problem, not_found
from reconciler.context import Context
from reconciler.reconciling import exports
from reconciler.store import runs

MEDIA = {"json": "application/json", "csv": "text/csv; charset=utf-8"}


async def run_file(context: Context, id: str, format: str) -> Response:
    """The run with this id (or `latest`). Raises Problem 400 for a format that there is not, 404
    for such a run."""
    if format not in MEDIA:
        raise Problem(400, "bad_format", "format must be json or csv.")
    async with context.database.read(snapshot=True) as session:
        row = await runs.run(session, id)
        if row is None:
            raise not_found("run", id)
        found = await runs.run_findings(session, row["id"])
    body = (exports.as_csv if format == "csv" else exports.as_json)(row, found)
    headers = {
        "Content-Disposition": f'attachment; filename="{row["id"]}.{format}"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    return Response(body, 200, headers, media_type=MEDIA[format])
