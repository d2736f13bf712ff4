"""Checks and conversion of foreign weights: only safetensors, no code, only an encoder, one canonical form."""

import hashlib
import re
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from clue_ner.common.errors import BackboneError
from clue_ner.network import trial
from clue_ner.network.config_checks import read_config, refuse_sizes

CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
SHARD = re.compile(r"model-\d+-of-\d+\.safetensors")
TOKENIZER, TOKENIZER_CONFIG = "tokenizer.json", "tokenizer_config.json"
WORDPIECES = "vocab.txt"
VOCABULARIES = (
    TOKENIZER,
    WORDPIECES,
    "sentencepiece.bpe.model",
    "sentencepiece.model",
    "spiece.model",
    "spm.model",
    "vocab.json",
)
NEEDED_TOKENS = {"unk_token": ("[UNK]", "<unk>"), "pad_token": ("[PAD]", "<pad>")}
"""The special tokens that a tokenizer must have, and their usual names."""
WORDPIECE_TOKENS = ("[UNK]", "[PAD]", "[CLS]", "[SEP]")
COMPANIONS = (TOKENIZER_CONFIG, "special_tokens_map.json", "added_tokens.json", "merges.txt", "README.md")
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


def wanted(names: Collection[str], where: str) -> list[str]:
    """Select the files to read; BackboneError if config, vocabulary or safetensors are missing."""
    there = ", ".join(sorted(names)[:20]) or "nothing"
    if WEIGHTS in names:
        weights = [WEIGHTS]
    elif INDEX in names:
        weights = [INDEX, *sorted(filter(SHARD.fullmatch, names))]
    else:
        pickles = [name for name in sorted(names) if name.endswith(PICKLES)]
        why = f"{pickles[0]} is a pickle, which can run code when it is opened, so it is not read; " if pickles else ""
        raise BackboneError(
            f"{where}: no {WEIGHTS}; there: {there}; {why}"
            "name a revision that has it (backbone.revision, often refs/pr/N: see the model's pull requests), or load "
            "the model where you trust it, `save_pretrained` it as safetensors and give that folder as backbone.name"
        )
    vocabularies = [name for name in VOCABULARIES if name in names]
    for missing in ([] if CONFIG in names else [CONFIG]) + ([] if vocabularies else [f"{TOKENIZER} or vocab.txt"]):
        raise BackboneError(f"{where}: no {missing}; there: {there}; give a model saved whole, with its tokenizer")
    return [CONFIG, *weights, *vocabularies, *(name for name in COMPANIONS if name in names)]


def canonical(files: Mapping[str, Path], target: Path, where: str) -> dict[str, str]:
    """Load encoder and tokenizer from ``files`` (by name), and write both into ``target`` in canonical form.

    The same weights and vocabulary give the same bytes, whatever their prefix, head, number format or shards.
    Returns ``sha256`` of the weights' bytes (shards one after another) and ``licence`` from the model card. Raises
    BackboneError for damaged files, code, models that are not encoders and slow tokenizers.
    """
    weights = [path for name, path in sorted(files.items()) if name.endswith(".safetensors")]
    _refuse_code(files, where)
    _check_shards(files, where)
    for path in weights:
        _open(path, where)
    with tempfile.TemporaryDirectory() as folder:
        for name, path in files.items():
            (Path(folder) / name).symlink_to(path.resolve())
        model, tokenizer = _load(Path(folder), where)
        model.save_pretrained(target, save_original_format=False)
        tokenizer.save_pretrained(target)
    digest = hashlib.sha256()
    for path in weights:
        with path.open("rb") as stream:
            hashlib.file_digest(stream, lambda: digest)
    return {"sha256": digest.hexdigest(), "licence": _licence(files.get("README.md"))}


def check(folder: Path, where: str) -> None:
    """Check a backbone's output: the files, the name and shape of every tensor against the config, finite values."""
    import torch
    from transformers import AutoConfig, AutoModel

    for name in (CONFIG, WEIGHTS, TOKENIZER, TOKENIZER_CONFIG):
        if not (folder / name).is_file():
            raise BackboneError(f"{where}: {name} is missing; its module in clue_ner/backbones/ must write it")
    with torch.device("meta"):
        model = AutoModel.from_config(AutoConfig.from_pretrained(folder, trust_remote_code=False))
    model.pooler = None
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    with _open(folder / WEIGHTS, where) as tensors:
        found = {name: tuple(tensors.get_slice(name).get_shape()) for name in tensors.keys()}  # noqa: SIM118
        for name in sorted(shapes.keys() | found.keys()):
            if shapes.get(name) != found.get(name):
                raise BackboneError(
                    f"{where}: tensor {name} has the shape {found.get(name, '(none: it is missing)')}, "
                    f"{CONFIG} requires {shapes.get(name, 'no such tensor')}; weights and config are not of the "
                    "same model"
                )
            tensor = tensors.get_tensor(name)
            if tensor.numel() and not torch.isfinite(torch.stack(tensor.aminmax())).all():
                raise BackboneError(f"{where}: tensor {name} contains NaN or infinite values; get the weights again")


def _refuse_code(files: Mapping[str, Path], where: str) -> None:
    for name in {CONFIG, TOKENIZER_CONFIG} & files.keys():
        _json(files[name], where)


def _check_shards(files: Mapping[str, Path], where: str) -> None:
    if INDEX in files:
        shards = set(_json(files[INDEX], where).get("weight_map", {}).values())
        if missing := sorted(shards - files.keys()):
            raise BackboneError(f"{where}: {INDEX} names {missing[0]}, which is missing; get the model again")


def _json(path: Path, where: str) -> dict[str, Any]:
    try:
        return read_config(path)
    except ValueError as error:
        raise BackboneError(f"{where}: {error}") from None


def _open(path: Path, where: str) -> Any:
    from safetensors import SafetensorError, safe_open

    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        raise BackboneError(
            f"{where}: {path}: truncated or damaged, not safetensors ({error}); delete the file and get it again"
        ) from None


def _load(folder: Path, where: str) -> tuple[Any, Any]:
    """The encoder in float32 without pooler, and the fast tokenizer, from a folder with only a model's files."""
    import torch
    from transformers import AutoConfig, AutoModel
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        if (
            config.model_type not in MODEL_FOR_MASKED_LM_MAPPING_NAMES
            or config.is_encoder_decoder
            or getattr(config, "is_decoder", False)
        ):
            raise BackboneError(
                f"{where}: a {config.model_type} model is not a bidirectional encoder; wanted one such "
                "as bert, roberta, electra or deberta"
            )
        refuse_sizes(config.to_dict(), folder.glob("*.safetensors"), lambda: AutoModel.from_config(config))
        model, report = AutoModel.from_pretrained(
            folder,
            config=config,
            dtype=torch.float32,
            use_safetensors=True,
            trust_remote_code=False,
            attn_implementation="eager",
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    except BackboneError:
        raise
    except Exception as error:  # any kind: transformers raises different errors for unexpected files
        raise BackboneError(f"{where}: transformers cannot load it: {str(error).replace(str(folder), '')}") from None
    for name, found, expected in sorted(report["mismatched_keys"]):
        raise BackboneError(f"{where}: tensor {name} has the shape {tuple(found)}, {CONFIG} wants {tuple(expected)}")
    missing = sorted(name for name in report["missing_keys"] if not name.startswith("pooler."))
    if missing:
        raise BackboneError(
            f"{where}: {len(missing)} of the encoder's weights are missing, such as {missing[0]}; "
            f"{WEIGHTS} belongs to another model or is incomplete"
        )
    if reason := trial.problem(model):
        raise BackboneError(f"{where}: {reason}; choose another encoder, such as a bert, roberta, electra or deberta")
    tokenizer = _tokenizer(folder, config, where)
    rows = model.get_input_embeddings().num_embeddings
    if not rows / 2 < len(tokenizer) <= rows:
        raise BackboneError(
            f"{where}: the tokenizer has {len(tokenizer)} tokens, the model {rows}; they are not of one model, or "
            f"{type(tokenizer).__name__} is not its class: {_advice([path.name for path in folder.iterdir()])}"
        )
    if (largest := max(tokenizer.get_vocab().values())) >= rows:
        raise BackboneError(
            f"{where}: the tokenizer has a token {largest}, the model {rows}; they are not of one model"
        )
    model.pooler = None
    for circumstance in ("is_local", "local_files_only"):
        tokenizer.init_kwargs.pop(circumstance, None)
    return model, tokenizer


def _tokenizer(folder: Path, config: Any, where: str) -> Any:
    """The fast tokenizer from a folder with only a model's files.

    If there is only a vocab.txt, it is read as BERT's if the folder sets BERT's tokenizer class; or if it sets no
    class, the architecture's own tokenizer reads another file, and the vocabulary has BERT's special tokens.
    """
    from transformers import AutoTokenizer, BertTokenizer

    there = [name for name in VOCABULARIES if (folder / name).is_file()]
    settings = _json(folder / TOKENIZER_CONFIG, where) if (folder / TOKENIZER_CONFIG).is_file() else {}
    named = settings.get("tokenizer_class") or getattr(config, "tokenizer_class", None)
    kind, reads = _files_of(named, config)
    as_bert = there == [WORDPIECES] and (
        kind.removesuffix("Fast") == BertTokenizer.__name__
        or (not named and WORDPIECES not in reads and _is_wordpiece(folder / WORDPIECES))
    )
    if not as_bert and reads.isdisjoint(there):
        raise BackboneError(
            f"{where}: its tokenizer {kind} reads {' or '.join(sorted(reads))}, found: {', '.join(there)}; "
            f"{_advice(there)}"
        )
    try:
        if as_bert:
            tokenizer = BertTokenizer.from_pretrained(folder)
        else:
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # any kind: transformers raises different errors for unexpected files
        reason = str(error).replace(str(folder), "").rstrip(".")
        raise BackboneError(
            f"{where}: transformers cannot load its tokenizer {kind}: {reason}; {_advice(there)}"
        ) from None
    if not tokenizer.is_fast:
        raise BackboneError(
            f"{where}: its tokenizer {kind} has no fast version, so no character offsets; {_advice(there)}"
        )
    if TOKENIZER in there and (found := type(tokenizer.backend_tokenizer.model)) is not _model_of(folder / TOKENIZER):
        raise BackboneError(
            f"{where}: its tokenizer {kind} is a {found.__name__}, but {TOKENIZER} has another kind; {_advice(there)}"
        )
    _refuse_missing_tokens(tokenizer, where)
    return tokenizer


def _files_of(named: str | None, config: Any) -> tuple[str, set[str]]:
    """The class of the tokenizer, ``named`` or that of the architecture, and the vocabulary files that it reads."""
    from transformers import PreTrainedTokenizerFast
    from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING_NAMES, tokenizer_class_from_name

    name = named or TOKENIZER_MAPPING_NAMES.get(config.model_type)
    found = tokenizer_class_from_name(name) if name else None
    if found is None:
        return name or PreTrainedTokenizerFast.__name__, {TOKENIZER}
    fast = {TOKENIZER} if issubclass(found, PreTrainedTokenizerFast) else set()
    return str(name), fast | set(found.vocab_files_names.values())


def _advice(there: Collection[str]) -> str:
    """Advice for a tokenizer that cannot be used, given the vocabulary files ``there``."""
    if TOKENIZER in there:
        return f'write "tokenizer_class": "PreTrainedTokenizerFast" in {TOKENIZER_CONFIG}, to use {TOKENIZER} unchanged'
    if WORDPIECES in there:
        return f'if {WORDPIECES} is a BERT vocabulary, write "tokenizer_class": "BertTokenizer" in {TOKENIZER_CONFIG}'
    return f"load and save it elsewhere, which writes {TOKENIZER}, and use that folder"


def _model_of(path: Path) -> type:
    from tokenizers import Tokenizer

    return type(Tokenizer.from_file(str(path)).model)


def _is_wordpiece(vocabulary: Path) -> bool:
    lines = vocabulary.read_text(encoding="utf-8", errors="replace").splitlines()
    return set(WORDPIECE_TOKENS) <= {line.strip() for line in lines}


def _refuse_missing_tokens(tokenizer: Any, where: str) -> None:
    """Raise BackboneError if the tokenizer has no unknown token or no padding token."""
    vocabulary = tokenizer.get_vocab()
    for name, usual in NEEDED_TOKENS.items():
        if getattr(tokenizer, name) not in vocabulary:
            known = next((token for token in usual if token in vocabulary), None)
            token = f'"{known}"' if known else "a token of its vocabulary that no text has, such as that of the end"
            raise BackboneError(
                f"{where}: its tokenizer has the {name} {getattr(tokenizer, name)!r}, wanted one of its vocabulary; "
                f'write "{name}": with {token} in {TOKENIZER_CONFIG}'
            )


def _licence(readme: Path | None) -> str:
    from huggingface_hub import metadata_load

    try:
        card = metadata_load(readme) if readme else None
    except Exception:  # errors of YAML and UTF-8, and values that are not a mapping
        card = None
    return str((card or {}).get("license", "unknown"))
