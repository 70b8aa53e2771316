"""The dashboards: the files are what the code makes, and every query asks for what there is."""

import json
import re
from typing import Any

import pytest

from monitoring.boards import boards
from monitoring.tests.queries import faults, known_metrics
from monitoring.write import FOLDER, texts
from trading.models import MaintenanceRun, RunKind

BOARDS = {name: json.loads(text) for name, text in texts().items()}


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def filled_in(query: str) -> str:
    """A query as Grafana sends it, over all that can be chosen."""
    return query.replace("$__rate_interval", "1m").replace("$symbol", ".*")


QUERIES = {
    f"{board['title']}: {panel['title']} {target['refId']}": filled_in(target["expr"])
    for board in BOARDS.values()
    for panel in panels(board)
    for target in panel["targets"]
}


def test_the_files_are_what_the_code_makes() -> None:
    """If not: bin/dashboards."""
    assert {path.name: path.read_text() for path in FOLDER.iterdir()} == texts()


def test_a_board_can_be_found_and_asks_any_prometheus() -> None:
    assert len({board.uid for board in boards()}) == len({board.title for board in boards()}) == 5
    for board in BOARDS.values():
        assert board["description"]
        assert board["templating"]["list"][0]["type"] == "datasource"


@pytest.mark.parametrize("name", BOARDS)
def test_a_panel_says_what_it_shows_and_lies_beside_the_others(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    titles = [panel["title"] for panel in panels(BOARDS[name])]
    assert len(titles) == len(set(titles))
    for panel in panels(BOARDS[name]):
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["datasource"]["uid"] == "${datasource}"
        assert panel["fieldConfig"]["defaults"]["unit"]
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells


def test_rates_fit_the_width_of_the_panel() -> None:
    for board in BOARDS.values():
        for panel in panels(board):
            for target in panel["targets"]:
                assert set(re.findall(r"\[(.+?)\]", target["expr"])) <= {"$__rate_interval"}


@pytest.mark.django_db(transaction=True)
def test_queries_ask_for_metrics_and_labels_that_exist() -> None:
    MaintenanceRun.objects.create(kind=RunKind.BACKUP, started_at="2026-01-01T00:00:00Z", bytes=1)
    known = known_metrics()
    assert {where: wrong for where, query in QUERIES.items() if (wrong := faults(query, known))} == {}
    chosen = [
        one["query"] for board in BOARDS.values() for one in board["templating"]["list"] if one["type"] == "query"
    ]
    for query in chosen:
        metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", query).groups()
        assert label in known[metric]
