"""Say where everything is.

The law: the public API is below /api/v1/, without trailing slashes; below /api/ every error is a problem.
Each app's operations are listed in its own api/urls.py, its pages in pages/urls.py; the busiest come first.
"""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from exchange import health
from exchange.metrics.serving import show_metrics

urlpatterns = [
    path("api/v1/", include("orders.api.urls")),
    path("api/v1/", include("trading.api.urls")),
    path("api/v1/", include("accounts.api.urls")),
    path("", include("trading.pages.urls")),
    path("", include("accounts.pages.urls")),
    path("account/", include("allauth.urls")),
    path("admin/", admin.site.urls),
    path("metrics", show_metrics, name="metrics"),
    path("api/schema", SpectacularAPIView.as_view(authentication_classes=[], permission_classes=[]), name="schema"),
    path(
        "api/docs",
        SpectacularSwaggerView.as_view(url_name="schema", authentication_classes=[], permission_classes=[]),
        name="docs",
    ),
    path("api/v1/health", health.HealthView.as_view(), name="health"),
    path("api/v1/health/live", health.LiveView.as_view(), name="health-live"),
    path("api/v1/health/ready", health.ReadyView.as_view(), name="health-ready"),
]

handler400 = "exchange.api.problems.bad_request"
handler404 = "exchange.api.problems.not_found"
handler500 = "exchange.api.problems.server_error"
