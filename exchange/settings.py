"""Configure the project from the environment; the tests use this very file.

Everything an operator may set is read here and nowhere else. With neither DATABASE_URL nor REDIS_URL
set, the embedded servers that bin/run started in EXCHANGE_VAR are used.
"""

import os
import sys
from datetime import timedelta
from pathlib import Path

import environ
import structlog
from celery.schedules import crontab
from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static

from exchange import embedded
from orders.terms import OrderType, SelfTradePrevention, Side

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

# --- the environment -------------------------------------------------------------------------------
EXCHANGE_VAR = embedded.var_folder()
API_PORT = env.int("API_PORT", 8080)
FRONTEND_PORT = env.int("FRONTEND_PORT", 5173)
FLOWER_PORT = env.int("FLOWER_PORT", 5555)
# Where those that serve nothing else, matching, worker and beat, show their metrics; without it they do not.
METRICS_PORT = env.int("METRICS_PORT", 0)
METRICS_HOST = env.str("METRICS_HOST", "") or env.str("HOST", "") or "127.0.0.1"
IS_FRONTEND = env.bool("ASGI", False)
# Where pages find the streams. By default beside them in the frontend, and for the API's pages at FRONTEND_PORT of their host.
STREAMS_URL = env.str("STREAMS_URL", "")
# Where mails link to, e.g. https://exchange.example. Without it they lead to the host that a request named, which anybody may name.
PUBLIC_URL = env.str("PUBLIC_URL", "")
# Behind a proxy that speaks HTTPS and says so in X-Forwarded-Proto: cookies are for HTTPS alone, and passkeys want their own origin.
SECURE = env.bool("SECURE", False)
RATE_LIMITS = env.bool("RATE_LIMITS", True)
LOG_LEVEL = (env.str("LOG_LEVEL", "") or "INFO").upper()
DEBUG = env.bool("DEBUG", False)
# What the example files have in the place of a secret. Whoever knows them would be anybody.
PLACEHOLDER = "replace-me"
for name in ("JWT_SECRET", "SECRET_KEY", "API_KEY_SECRET", "DATABASE_URL", "REDIS_URL", "FLOWER_BASIC_AUTH"):
    if PLACEHOLDER in env.str(name, ""):
        raise ImproperlyConfigured(
            f"{name} is still the placeholder of an example, {PLACEHOLDER}: set one of your own."
        )
JWT_SECRET = env.str("JWT_SECRET", "") or embedded.kept_secret("jwt_secret")
SECRET_KEY = env.str("SECRET_KEY", "") or embedded.kept_secret("secret_key")
# Seals the secrets of API keys. Several, with commas between, while one takes the place of another: the first seals.
API_KEY_SECRET = env.list("API_KEY_SECRET", default=[]) or [embedded.kept_secret("api_key_secret")]
# Networks of reverse proxies whose X-Forwarded-For is believed. They must drop headers with an underscore, as nginx does.
TRUSTED_PROXIES = env.list("TRUSTED_PROXIES", default=[])
# Kubernetes' probes and Prometheus ask a pod by its address.
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["*"])
ALLOWED_HOSTS += [f"[{address}]" if ":" in address else address for address in env.list("POD_IP", default=[])]
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
DATABASE_URL = env.str("DATABASE_URL", "") or embedded.running_url("database_url")
REDIS_URL = env.str("REDIS_URL", "") or embedded.running_url("redis_url")

# --- applications ----------------------------------------------------------------------------------
INSTALLED_APPS = [
    "unfold",
    "django.contrib.postgres",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "rest_framework_simplejwt.token_blacklist",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_prometheus",
    "channels",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "csp",
    "accounts",
    "orders",
    "trading",
]
MIDDLEWARE = [
    "exchange.middleware.RequestIdMiddleware",
    "exchange.metrics.requests.RequestMetricsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "exchange.middleware.ContentPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "accounts.pages.activity.ActivityMiddleware",
]
ROOT_URLCONF = "exchange.urls"
WSGI_APPLICATION = "exchange.wsgi.application"
ASGI_APPLICATION = "exchange.asgi.application"
APPEND_SLASH = True
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "exchange.pages.surroundings",
            ],
        },
    },
]

# --- state -----------------------------------------------------------------------------------------
# A lost node must not keep the fence or a balance locked: the server ends a transaction that idles,
# and both ends notice a dead peer.
DATABASES = {
    "default": {
        **env.db_url_config(DATABASE_URL),
        # Django's own, which counts and times statements too.
        "ENGINE": "django_prometheus.db.backends.postgresql",
        "CONN_MAX_AGE": env.int("CONN_MAX_AGE", 0 if IS_FRONTEND else 600),
        # Instead of a query before each request, exchange/connections.py looks whether the server has hung up.
        "CONN_HEALTH_CHECKS": False,
        "OPTIONS": {
            "connect_timeout": 3,
            # The one prepared statement, intake's, takes longer to plan than to run, and its plan never depends on what it is
            # given; left to choose, PostgreSQL may go on planning it each time.
            "options": "-c idle_in_transaction_session_timeout=15000 -c timezone=UTC"
            " -c plan_cache_mode=force_generic_plan",
            "keepalives": 1,
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            # Keepalives see a peer that is silent, this one that does not take what is sent.
            "tcp_user_timeout": 10_000,
        },
    }
}
CACHES = {
    "default": {
        "BACKEND": "exchange.cache.ForgivingCache",
        "LOCATION": REDIS_URL,
        "OPTIONS": {
            "CLIENT_CLASS": "django_redis.client.DefaultClient",
            "SOCKET_CONNECT_TIMEOUT": 0.5,
            "SOCKET_TIMEOUT": 2,
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- identity --------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
# It looks users up by Django's own rules, and hashes one password a sign-in, known address or not.
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "accounts.identity.AccountAdapter"
ACCOUNT_FORMS = {
    "login": "accounts.identity.LoginForm",
    "signup": "accounts.identity.SignupForm",
    "add_email": "accounts.identity.AddEmailForm",
    "change_password": "accounts.identity.ChangePasswordForm",
    "reset_password": "accounts.identity.ResetPasswordForm",
    "reset_password_from_key": "accounts.identity.ResetPasswordKeyForm",
    "reauthenticate": "accounts.identity.ConfirmPasswordForm",
}
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
# Trading waits for no confirmation; withdrawals and two-factor do.
ACCOUNT_EMAIL_VERIFICATION = "optional"
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False  # only the other sessions end
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if SECURE else "http"
# Of an address, and of an e-mail address whoever asks. allauth has limits for all else.
SIGN_IN_LIMITS = {"signup": "100/m/ip", "login_failed": "10/m/ip,5/5m/key"}
ACCOUNT_RATE_LIMITS = SIGN_IN_LIMITS if RATE_LIMITS else False
MFA_ADAPTER = "accounts.identity.MFAAdapter"
MFA_FORMS = {
    "authenticate": "accounts.identity.AuthenticateForm",
    "reauthenticate": "accounts.identity.ReauthenticateForm",
    "activate_totp": "accounts.identity.ActivateTOTPForm",
}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_TOLERANCE = 1  # half a minute that a phone's clock may be off
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = env.bool("WEBAUTHN_ALLOW_INSECURE_ORIGIN", not SECURE)
MFA_RATE_LIMITS: dict[str, str] | bool = {} if RATE_LIMITS else False
USERSESSIONS_TRACK_ACTIVITY = True
SIMPLE_JWT = {
    "SIGNING_KEY": JWT_SECRET,
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=7),
    "ROTATE_REFRESH_TOKENS": True,
    "BLACKLIST_AFTER_ROTATION": True,
}

# --- mail ------------------------------------------------------------------------------------------
# EMAIL_URL, e.g. smtp+tls://user:password@mail.example:587; without it, mails go to the log of the process that sends them.
globals().update(env.email_url("EMAIL_URL", default="consolemail://"))
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.str("DEFAULT_FROM_EMAIL", "") or "exchange@localhost"

# --- what browsers are told ------------------------------------------------------------------------
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if SECURE else None
SECURE_REFERRER_POLICY = "same-origin"
# exchange/middleware.py adds where the streams are, and says which pages are less strict.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "connect-src": ["'self'"],
        "object-src": ["'none'"],
        "base-uri": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}

# --- API -------------------------------------------------------------------------------------------
# A batch of 1,000 orders with every field given is some 400 kB.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.api.authentication.TraderAuthentication",
        "accounts.api.authentication.ApiKeyAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.api.permissions.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["exchange.api.rendering.MsgspecRenderer"],
    "DEFAULT_PARSER_CLASSES": ["exchange.api.parsing.StrictJSONParser"],
    "DEFAULT_PAGINATION_CLASS": "exchange.api.pagination.IdCursorPagination",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "exchange.api.problems.problem_response",
    "DEFAULT_VERSIONING_CLASS": None,
    "UNAUTHENTICATED_USER": None,
    # The Accept header alone chooses a format.
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Exchange API",
    "DESCRIPTION": "Place orders, follow markets and keep account of what you own. docs/API.md is the prose to this schema.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "accounts.api.schema.refuse_unknown_fields",
    ],
    "ENUM_NAME_OVERRIDES": {
        "ApiKeyKind": "accounts.models.ApiKeyKind",
        "Check": ["ok", "down"],
        "OrderType": [str(term) for term in OrderType],
        "SelfTradePrevention": [str(term) for term in SelfTradePrevention],
        "RequestStatus": "accounts.models.RequestStatus",
        "SideEnum": [str(term) for term in Side],
    },
}

# --- sockets ---------------------------------------------------------------------------------------
WS_CONNECTIONS_MAX = env.int("WS_CONNECTIONS_MAX", 10_000)  # a process
# Behind a proxy all addresses are the proxy's, unless TRUSTED_PROXIES says which one to believe.
WS_CONNECTIONS_PER_ADDRESS = env.int("WS_CONNECTIONS_PER_ADDRESS", 1000)
WS_MESSAGES_PER_SECOND = env.int("WS_MESSAGES_PER_SECOND", 100)  # a socket, and twice as many at once
WS_SUBSCRIPTIONS_MAX = env.int("WS_SUBSCRIPTIONS_MAX", 200)  # a socket
WS_REQUESTS_WAITING_MAX = env.int(
    "WS_REQUESTS_WAITING_MAX", 200
)  # a socket: orders and cancels that are not answered yet
WS_FRAME_BYTES_MAX = DATA_UPLOAD_MAX_MEMORY_SIZE
WS_FRAME_BYTES_BEFORE_AUTH = 16 * 1024
# A dead network says nothing, not even that it is dead. Who wants orders canceled then sends a ping now and then.
WS_SILENT_SECONDS_MAX = env.float("WS_SILENT_SECONDS_MAX", 60.0)
WS_SHUTDOWN_SECONDS = env.float("WS_SHUTDOWN_SECONDS", 3.0)  # from the notice to the end
WS_STALL_SECONDS_MAX = env.float(
    "WS_STALL_SECONDS_MAX", 10.0
)  # without taking a frame; three times as long for what waits
WS_TAKING_SECONDS_MAX = env.float("WS_TAKING_SECONDS_MAX", 30.0)  # to take what was sent, or be cut by the system

# --- Celery ----------------------------------------------------------------------------------------
CELERY_BROKER_URL = REDIS_URL
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_WORKER_SEND_TASK_EVENTS = True
CELERY_TASK_SEND_SENT_EVENT = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_connect_timeout": 1, "socket_keepalive": True, "health_check_interval": 10}

CELERY_BEAT_SCHEDULE = {
    "keep-matching": {"task": "trading.tasks.keep_matching", "schedule": 10.0, "options": {"expires": 10}},
    "keep-time": {"task": "orders.tasks.keep_time", "schedule": 1.0, "options": {"expires": 5}},
    "prune-events": {"task": "accounts.tasks.prune_events", "schedule": 60.0, "options": {"expires": 60}},
    "check-ledger": {"task": "trading.tasks.check_ledger", "schedule": 300.0, "options": {"expires": 300}},
    "check-integrity": {
        "task": "trading.tasks.check_integrity",
        "schedule": crontab(hour="3", minute="10"),
        "options": {"expires": 3600},
    },
    "clear-sessions": {"task": "accounts.tasks.clear_sessions", "schedule": 3600.0, "options": {"expires": 3600}},
}

# --- pages, time, logs -----------------------------------------------------------------------------
STATIC_URL = "static/"
STATIC_ROOT = (
    env.str("STATIC_ROOT", "") or None
)  # where collectstatic gathers; without it they are served from the source
# npm's packages are below vendor/; bin/setup brings them.
STATICFILES_DIRS = [BASE_DIR / "static", ("vendor", BASE_DIR / "node_modules" / "lightweight-charts" / "dist")]
# What was gathered is compressed too, and finders would go past it.
WHITENOISE_USE_FINDERS = STATIC_ROOT is None
LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
FORMAT_MODULE_PATH = "exchange.formats"
UNFOLD = {
    "SITE_TITLE": "Exchange",
    "SITE_HEADER": "Exchange",
    "SITE_SUBHEADER": "Back office",
    "SITE_SYMBOL": "candlestick_chart",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda _request: static("css/icon.svg")}],
}

_log_chain: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]
structlog.configure(
    processors=[structlog.stdlib.filter_by_level, *_log_chain, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "lines": {
            "()": structlog.stdlib.ProcessorFormatter,
            "processors": [
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.dev.ConsoleRenderer(colors=False)
                if sys.stderr.isatty() or DEBUG
                else structlog.processors.JSONRenderer(),
            ],
            "foreign_pre_chain": _log_chain,
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "lines"}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        "django.server": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
        # A refusal is an answer, not a warning; a line for each would cost more than the refusal.
        "django.request": {"level": "ERROR"},
        # Nor does one need lines for each task received and done, with one a second; Flower shows them, and failures are logged.
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
    },
}
os.environ.setdefault("DJANGO_RUNSERVER_HIDE_WARNING", "true")
