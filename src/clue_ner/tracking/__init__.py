"""Records what ran in MLflow; no other package knows it. Tracking records, and never decides.

A training writes a journal first (``Journal``), on disk; MLflow is made equal to it (``push``, ``sync``), now or later.
"""

from clue_ner.tracking.journal import Journal
from clue_ner.tracking.logged_model import log_evaluation
from clue_ner.tracking.model_registry import Version, champion_path, pinned, register, resolve_model
from clue_ner.tracking.provenance import run_tags
from clue_ner.tracking.replay import push, record_epoch, record_evaluation, record_training
from clue_ner.tracking.sync import Summary, sync

__all__ = [
    "Journal",
    "Summary",
    "Version",
    "champion_path",
    "log_evaluation",
    "pinned",
    "push",
    "record_epoch",
    "record_evaluation",
    "record_training",
    "register",
    "resolve_model",
    "run_tags",
    "sync",
]
