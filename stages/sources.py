"""Stage sources: params.yaml -> data/sources/, a link to each local folder in it (corpus, backbone, teacher)."""

from pathlib import Path

from clue_ner.common.files import atomic_folder
from clue_ner.common.paths import resolve_path
from clue_ner.common.stage import run
from clue_ner.core.folders import local_folders
from clue_ner.core.params import dotted, load_params

SOURCES = {"corpus": "corpus.path", "backbone": "backbone.name", "teacher": "train.teacher"}
"""What a link is called, and the param that names its folder."""


def main(root: Path) -> None:
    """Link the folders, so that DVC sees their content: the stage that reads one depends on its link.

    A source that is no local folder has an empty one there. Raises ParamsError for all that is wrong in params.yaml,
    folders that do not exist included.
    """
    named = local_folders(dotted(load_params(root / "params.yaml", root).model_dump()))
    with atomic_folder(root / "data/sources") as folder:
        for source, key in SOURCES.items():
            if key in named:
                (folder / source).symlink_to(resolve_path(named[key], root), target_is_directory=True)
            else:
                (folder / source).mkdir()


if __name__ == "__main__":
    run(main)
