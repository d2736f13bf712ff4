"""Stage sources: params.yaml -> data/sources/, a link to each folder that it names (corpus, backbone, taggers)."""

from pathlib import Path

from clue_ner.common.files import atomic_folder, write_json, write_text
from clue_ner.common.paths import is_registry_name, resolve_path
from clue_ner.common.stage import run
from clue_ner.core.folders import TAGGERS, local_folders
from clue_ner.core.params import dotted, load_params

SOURCES = {"corpus": "corpus.path", "backbone": "backbone.name", **TAGGERS}
"""The name of each link, and the param with its folder."""


def main(root: Path) -> None:
    """Link the folders, so that DVC tracks their content: the stage that reads a folder depends on its link.

    A source that is not a folder gets a file of one line, because DVC warns about empty files. The name of a tagger in
    MLflow, which may move, is resolved only here; teacher.json and init_from.json have the result. Raises ParamsError
    for all errors in params.yaml, including folders that do not exist, and TrackingError for a tagger that is not in
    MLflow.
    """
    values = dotted(load_params(root / "params.yaml", root).model_dump())
    named = {key: resolve_path(name, root) for key, name in local_folders(values).items()}
    resolved: dict[str, str] = {}
    for key in TAGGERS.values():
        if values[key] is not None and is_registry_name(values[key]):
            from clue_ner.tracking import pinned

            resolved[key], named[key] = pinned(root, values[key])
    with atomic_folder(root / "data/sources") as folder:
        for source, key in SOURCES.items():
            if key in named:
                (folder / source).symlink_to(named[key], target_is_directory=True)
            else:
                write_text(folder / source, "no folder\n")
        for source, key in TAGGERS.items():
            write_json(folder / f"{source}.json", {"name": values[key], "resolved": resolved.get(key)})


if __name__ == "__main__":
    run(main)
