"""Stage tokenize_align: data/corpus, data/backbone, data/tags.json -> data/encoded/, metrics/alignment.json."""

from pathlib import Path

from clue_ner.alignment.aligner import Aligner
from clue_ner.alignment.encode import Report, encode, write_rows
from clue_ner.common.stage import run
from clue_ner.core.files import atomic_folder, checked, read_sentences, read_tags, write_checksums, write_json
from clue_ner.core.params import load_params
from clue_ner.core.schemes import SCHEMES


def main(root: Path) -> None:
    """Encode every labelled split; keep the tokenizer that reads it; count what could not be expressed."""
    params = load_params(root / "params.yaml")
    corpus = checked(root / "data/corpus")
    aligner = Aligner.from_backbone(checked(root / "data/backbone"), params.tagging)
    scheme, tags = SCHEMES[params.tagging.scheme], read_tags(root)["tags"]
    reports = {}
    with atomic_folder(root / "data/encoded") as folder:
        aligner.tokenizer.save_pretrained(folder / "tokenizer")
        for split in ("train", "valid", "test"):
            path = corpus / f"{split}.jsonl"
            if path.exists():
                reports[split] = Report()
                rows = encode(read_sentences(path), aligner, scheme, tags, reports[split])
                write_rows(folder / f"{split}.arrow", rows)
        write_json(folder / "lost.json", {split: report.lost for split, report in reports.items()})
        write_checksums(folder)
    write_json(root / "metrics/alignment.json", {split: report.metrics() for split, report in reports.items()})


if __name__ == "__main__":
    run(main)
