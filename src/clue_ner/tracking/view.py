"""The view of an experiment in MLflow's UI: columns, order and charts for comparing its runs.

MLflow stores a saved view as a tag of the experiment, and opens it if an address has the tag's key. The key is computed
from the content, so a changed view gets a new key, and old addresses still open the old view.
"""

import hashlib
import json
import logging
import re
import time
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from clue_ner.common.errors import TrackingError
from clue_ner.tracking.store import Store, translated

TAG = "mlflow.sharedViewState."
KEY = "clue-ner-"
"""The prefix of the keys of this project's views."""
TAG_LENGTH = 20_000
"""The number of characters of an experiment's tag that MLflow keeps."""
BEST, MICRO, OFFICIAL = "valid/best_micro_f1", "test/micro_f1", "test/official_macro_f1"

COLUMNS = {
    f"metrics.`{BEST}`": 145,
    f"metrics.`{MICRO}`": 110,
    f"metrics.`{OFFICIAL}`": 165,
    "params.`train.head`": 115,
    "params.`tagging.align`": 165,
    "params.`train.lr`": 75,
    "params.`train.epochs`": 105,
    "params.`seed`": 60,
    "params.`backbone.name`": 125,
    "attributes.`Duration`": 85,
    "tags.`clue_ner.device`": 125,
    "tags.`clue_ner.warnings`": 200,
}
"""The width of each column in pixels, in display order."""
_FIXED = {"0": 73, "attributes.`Run Name`": 230}
"""Columns that MLflow always shows first: the check box and the name."""
_IN_TABLE = {"attributes.`Duration`": "duration"}
"""Columns whose name in the table differs from that in the list of columns."""

_log = logging.getLogger(__name__)


def metric_name(type_: str) -> str:
    """The name of the metric with an entity type's F1; MLflow allows words, dots, dashes and spaces.

    >>> metric_name("组织 (公司)")
    'test/micro_f1.组织 _28_公司_29_'
    """
    return f"{MICRO}." + re.sub(r"[^\w.\- ]", lambda match: f"_{ord(match[0]):x}_", type_)


def state(by_type: Iterable[str]) -> dict[str, Any]:
    """The state of MLflow's UI: columns, order of runs, charts; ``by_type`` are the metrics of single types."""
    widths = _FIXED | {_IN_TABLE.get(name, name): width for name, width in COLUMNS.items()}
    return {
        "orderByKey": f"metrics.`{BEST}`",
        "orderByAsc": False,
        "selectedColumns": list(COLUMNS),
        "columnOrder": list(widths),
        "columnWidths": widths,
        "isAccordionReordered": True,  # otherwise sections are sorted by name
        "compareRunSections": [_section("scores", "Scores", 330), _section("types", "Test F1 by type", 260)],
        "compareRunCharts": [
            _line("valid/micro_f1"),
            _line("train/loss"),
            _chart(
                "SCATTER",
                "scores",
                "lr",
                xaxis={"key": "train.lr", "type": "PARAM"},
                yaxis={"key": BEST, "type": "METRIC"},
                runsCountToCompare=100,
            ),
            *(_chart("BAR", "types", name, metricKey=name) for name in by_type),
        ],
    }


def key_of(content: Mapping[str, Any]) -> str:
    """The key of a view: the first characters of a hash of its content."""
    return KEY + hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def keep(store: Store, experiment: str, by_type: Iterable[str], corpus: str) -> str | None:
    """Write the view into the experiment with this id, if it is missing; its key, or None if that is not possible.

    ``by_type``: see ``state``. ``corpus`` names it in MLflow's list of saved views. If the store refuses the tag, only
    the view is missing.
    """
    content = state(by_type)
    key, now = key_of(content), time.time_ns() // 1_000_000
    name = f"clue-ner: {corpus}"
    tag = json.dumps({"name": name, "createdAt": now, "updatedAt": now, "state": json.dumps(content)})
    if len(tag) > TAG_LENGTH:  # hundreds of types: MLflow creates their charts itself
        return keep(store, experiment, [], corpus)
    try:
        with translated(f"MLflow at {store.uri}: view of experiment {experiment}"):
            if TAG + key not in store.client.get_experiment(experiment).tags:
                store.client.set_experiment_tag(experiment, TAG + key, tag)
    except TrackingError as error:
        _log.debug("%s", error)
        return None
    return key


def newest(tags: Mapping[str, str]) -> str | None:
    """The key of the latest view of this project in an experiment's tags, or None."""
    found = {}
    for name, value in tags.items():
        if name.startswith(TAG + KEY):
            try:
                found[name.removeprefix(TAG)] = int(json.loads(value)["createdAt"])
            except (ValueError, KeyError, TypeError):
                continue
    return max(found, key=lambda key: found[key], default=None)


def address(server: str, experiment: str, key: str | None) -> str:
    """The address of the experiment's runs on the server at ``server``, without user and password.

    ``key`` is the view to open, or None for MLflow's own.
    """
    parts = urlsplit(server)
    server = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")
    view = "" if key is None else f"&viewStateShareKey={key}"
    return f"{server}/#/experiments/{experiment}/runs?workflowType=machine_learning{view}"


def _line(metric: str) -> dict[str, Any]:
    return _chart(
        "LINE",
        "scores",
        metric,
        metricKey=metric,
        lineSmoothness=0,
        scaleType="linear",
        xAxisScaleType="linear",
        xAxisKey="step",
        selectedXAxisMetricKey="",
        yAxisKey="metric",
        yAxisExpressions=[],
        range={},
        ignoreOutliers=False,
        useGlobalLineSmoothing=True,
        useGlobalXaxisKey=True,
    )


def _chart(kind: str, section: str, uuid: str, **settings: Any) -> dict[str, Any]:
    common = {"type": kind, "metricSectionId": section, "uuid": uuid, "deleted": False, "isGenerated": False}
    return {**common, "runsCountToCompare": 10, **settings}


def _section(uuid: str, name: str, height: int) -> dict[str, Any]:
    common = {"display": True, "deleted": False, "isGenerated": False, "isReordered": False}
    return {**common, "uuid": uuid, "name": name, "columns": 3, "cardHeight": height}
