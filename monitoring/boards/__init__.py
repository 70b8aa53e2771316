"""The dashboards: what an operator asks, from "is all well" down to one process.

The law: the first board answers at a glance, each other one answers why. What several workers say alike is taken once (max by);
limits are those of the alerts.
"""

from collections.abc import Sequence

from grafana_foundation_sdk.models.dashboard import Dashboard

from monitoring.boards.api import api
from monitoring.boards.database import database
from monitoring.boards.matching import matching
from monitoring.boards.overview import overview
from monitoring.boards.processes import processes


def boards() -> Sequence[Dashboard]:
    """Make all of them."""
    return overview(), api(), matching(), database(), processes()
