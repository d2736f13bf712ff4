"""Logs trainings to MLflow; no other package imports it. Tracking has no influence on results.

A training first writes a journal to disk (``Journal``); then MLflow is made equal to it (``push``, ``sync``), now or
later.
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
