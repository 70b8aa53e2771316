"""Wire the project together: settings, URLs, servers, Celery, health, API plumbing. It decides nothing."""
