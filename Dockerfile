# One image for every process; the command says which. `docker build -t exchange/api .`
FROM python:3.12-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app
COPY requirements.txt .
RUN python -m venv /venv && /venv/bin/pip install --require-hashes -r requirements.txt
COPY manage.py ./
COPY exchange exchange
COPY accounts accounts
COPY orders orders
COPY trading trading
COPY templates templates
COPY static static
# Gathering files needs settings but neither servers nor the secrets that run in earnest.
RUN JWT_SECRET=build SECRET_KEY=build API_KEY_SECRET=build STATIC_ROOT=/app/staticfiles /venv/bin/python manage.py collectstatic --no-input

FROM python:3.12-slim
RUN useradd --system --uid 10001 --home-dir /app exchange
WORKDIR /app
COPY --from=build /venv /venv
COPY --from=build /app /app
ENV PATH=/venv/bin:$PATH STATIC_ROOT=/app/staticfiles PYTHONUNBUFFERED=1
USER exchange
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/api/v1/health/live', timeout=2)"]
CMD ["granian", "--interface", "wsgi", "exchange.wsgi:application", "--host", "0.0.0.0", "--port", "8080", "--workers", "2", "--blocking-threads", "16"]
