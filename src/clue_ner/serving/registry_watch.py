"""The process that queries MLflow: ``python -m clue_ner.serving.registry_watch models:/NAME@ALIAS SECONDS``.

It is a separate process because MLflow takes a quarter of a gigabyte of memory. It sends a message every SECONDS:
``{"name": …, "folder": …}``, where ``name`` is a fixed version (``models:/NAME/VERSION``), or ``{"error": …}``.
With SECONDS 0 it sends one message.
"""

import select
import sys

from clue_ner.common.errors import ClueNerError
from clue_ner.common.extras import explained
from clue_ner.common.paths import repository
from clue_ner.serving import _child


def main() -> None:
    """Query until standard input is closed."""
    address, seconds = sys.argv[1], float(sys.argv[2])
    send = _child.begin()
    while True:
        try:
            with explained(f"{address}: the model registry", "tracking"):
                from clue_ner.tracking.model_registry import pinned
            name, folder = pinned(repository(), address)
            send({"name": name, "folder": str(folder.resolve())})
        except (ClueNerError, OSError) as error:
            send({"error": str(error)})
        if not seconds or select.select([sys.stdin], [], [], seconds)[0]:  # nothing is ever written to it
            return


if __name__ == "__main__":
    main()
