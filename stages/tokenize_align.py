"""Stage tokenize_align: data/corpus, data/backbone, data/tags.json -> data/encoded/, metrics/alignment.json."""

from pathlib import Path

from clue_ner.alignment.aligner import Aligner
from clue_ner.alignment.encode import Report, count, encode, write_examples
from clue_ner.common.files import atomic_folder, checked, write_checksums, write_json
from clue_ner.common.progress import tracked
from clue_ner.common.stage import run
from clue_ner.common.warnings import warned
from clue_ner.core.params import load_params
from clue_ner.core.schemes import SCHEMES
from clue_ner.core.sentences import read_split
from clue_ner.core.tag_map import read_tags


def main(root: Path) -> None:
    """Encode train, save its tokenizer, and count the entities in train and valid that cannot be represented."""
    tagging = load_params(root / "params.yaml").tagging
    aligner = Aligner.from_backbone(checked(root / "data/backbone"), tagging.align, tagging.window, tagging.overlap)
    scheme, tags = SCHEMES[tagging.scheme], read_tags(root)["tags"]
    reports = {"train": Report()}
    with atomic_folder(root / "data/encoded") as folder:
        aligner.tokenizer.save(folder / "tokenizer")
        train, valid = (read_split(root, split) for split in ("train", "valid"))
        examples = encode(train or [], aligner, scheme, tags, reports["train"])
        write_examples(folder / "train.arrow", tracked(examples, "aligning train", len(train or [])))
        if valid is not None:  # valid is tagged as text, like a user's, so it is only counted here
            reports["valid"] = count(valid, aligner)
        write_json(folder / "lost.json", {split: report.lost for split, report in reports.items()})
        write_checksums(folder)
    warnings = warned(text for split, report in reports.items() for text in report.warnings(split))
    measured = {split: report.metrics() for split, report in reports.items()}
    write_json(root / "metrics/alignment.json", {**measured, "warnings": warnings})


if __name__ == "__main__":
    run(main)
