"""Stage sources: params.yaml -> data/sources/, a link to each local folder in it (corpus, backbone, teacher)."""

from pathlib import Path

from clue_ner.common.errors import ParamsError
from clue_ner.common.files import atomic_folder
from clue_ner.common.paths import is_folder_name, is_registry_name, resolve_path
from clue_ner.common.stage import run
from clue_ner.core.params import load_params


def main(root: Path) -> None:
    """Link the folders, so that DVC sees their content: the stage that reads one depends on its link.

    A source that is no local folder has an empty one there. Raises ParamsError for a folder that does not exist.
    """
    params = load_params(root / "params.yaml")
    backbone, teacher = params.backbone.name, params.train.teacher
    named = {
        "corpus": ("corpus.path", params.corpus.path),
        "backbone": ("backbone.name", backbone if is_folder_name(backbone) else None),
        "teacher": ("train.teacher", None if is_registry_name(teacher or "") else teacher),
    }
    with atomic_folder(root / "data/sources") as folder:
        for source, (key, name) in named.items():
            place = folder / source
            if name is None:
                place.mkdir()
            elif (found := resolve_path(name, root)).is_dir():
                place.symlink_to(found, target_is_directory=True)
            else:
                raise ParamsError(f"params.yaml: {key}: {name}, and there is no folder {found}; wanted one that exists")


if __name__ == "__main__":
    run(main)
