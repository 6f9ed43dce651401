# Two stages: one that has pip and builds wheels, one that has only what runs.
FROM python:3.12-slim AS build
WORKDIR /build
COPY pyproject.toml README.md schema.sql ./
COPY reconciler reconciler
COPY handlers handlers
COPY jobs jobs
RUN python -m venv /opt/reconciler \
    && /opt/reconciler/bin/pip install --no-cache-dir .

FROM python:3.12-slim
# The data folder is the only place that is written to: everything else may be read-only.
RUN useradd --system --uid 10001 --home-dir /nonexistent --no-create-home reconciler \
    && mkdir /data && chown reconciler /data
COPY --from=build /opt/reconciler /opt/reconciler
ENV PATH=/opt/reconciler/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DATABASE_URL=sqlite:////data/reconciler.db
USER reconciler
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
CMD ["reconciler", "serve", "--host", "0.0.0.0", "--port", "8000"]
