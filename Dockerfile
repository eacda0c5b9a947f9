# syntax=docker/dockerfile:1
# Two stages: the first installs the hash-pinned lock, the second holds only what runs, as a plain user.
#
#   docker build -t moondev .
#   docker run -v moondev:/data --network host moondev     (the dashboard listens on loopback only)

FROM python:3.11-slim-bookworm AS builder
WORKDIR /app
COPY requirements.lock ./
# Wheels only: nothing is compiled, so no compiler is needed.
RUN python3 -m venv .venv \
    && .venv/bin/pip install --no-cache-dir --disable-pip-version-check --only-binary=:all: \
        --require-hashes -r requirements.lock \
    && .venv/bin/pip uninstall --yes --quiet pip setuptools
COPY . .
RUN python3 -m compileall -q bot domain engine exchanges gateway research risk vault main.py wiring.py

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="moondev" \
      org.opencontainers.image.description="A trading service steered from chat"
RUN groupadd --gid 10001 moondev \
    && useradd --uid 10001 --gid moondev --home-dir /data --no-create-home --shell /usr/sbin/nologin moondev \
    && install -d -o moondev -g moondev -m 700 /data
COPY --from=builder /app /app
ENV PATH=/app/.venv/bin:$PATH \
    HOME=/data \
    NUMBA_CACHE_DIR=/data/cache/numba \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /app
USER 10001:10001
VOLUME /data
EXPOSE 8420
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8420/health/live', timeout=2)"]
ENTRYPOINT ["python", "main.py"]
CMD ["run", "--data", "/data"]
