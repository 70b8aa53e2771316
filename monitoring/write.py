"""Write the dashboards as Grafana reads them: `python -m monitoring.write`.

The law: the files are what the code makes, and a test sees to that.
"""

from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from monitoring.boards import boards

FOLDER = Path(__file__).with_name("dashboards")


def texts() -> dict[str, str]:
    """Return each dashboard's file by its name."""
    return {
        f"{board.uid}.json": JSONEncoder(indent=2, sort_keys=True, ensure_ascii=False).encode(board) + "\n"
        for board in boards()
    }


def main() -> None:
    for old in FOLDER.glob("*.json"):
        old.unlink()
    FOLDER.mkdir(exist_ok=True)
    for name, text in texts().items():
        (FOLDER / name).write_text(text)


if __name__ == "__main__":
    main()
