"""The network itself, in torch."""

import math
from pathlib import Path

import torch

from clue_ner.alignment.batch import Batch
from clue_ner.alignment.windows import INPUTS
from clue_ner.common.errors import ArtifactError
from clue_ner.network.config_checks import read_config, refuse_sizes
from clue_ner.network.encoder import new_encoder
from clue_ner.network.model import TaggerModel
from clue_ner.tagger.config import FILE, TaggerConfig
from clue_ner.tagger.decoding._base import Floats
from clue_ner.tagger.model_files import WEIGHTS
from clue_ner.tagger.tagger import TOKENS, Tagger

FILES = ("config.json", WEIGHTS)
"""The files that ``load`` reads in the model's folder."""


class TorchRuntime:
    """Computes logits with ``model`` on its device; the model is set to eval mode."""

    def __init__(self, model: TaggerModel) -> None:
        self.model = model.eval()

    @property
    def batch_tokens(self) -> float:
        """Limited on a CPU, so that the states stay in its cache."""
        return TOKENS if self._device().type == "cpu" else math.inf

    def __call__(self, batch: Batch) -> Floats:
        """The head's logits."""
        device = self._device()
        with torch.inference_mode():
            logits = self.model(*(torch.from_numpy(batch[name]).to(device) for name in INPUTS))
        found: Floats = logits.float().cpu().numpy()
        return found

    def _device(self) -> torch.device:
        return next(self.model.parameters()).device


def load(folder: Path, config: TaggerConfig, threads: int | None) -> TorchRuntime:
    """The runtime of the model in ``folder``; ``threads`` is for the whole process; errors as in ``load_model``."""
    if threads is not None:
        torch.set_num_threads(threads)
    return TorchRuntime(load_model(folder, config))


def load_model(folder: Path, config: TaggerConfig) -> TaggerModel:
    """The network in ``folder``, whose checksums are verified already; raises ArtifactError if it cannot be built."""
    from safetensors.torch import load_file

    weights = folder / WEIGHTS
    try:
        read_config(folder / "tokenizer_config.json")
        encoder_config = read_config(folder / "config.json")
        refuse_sizes(encoder_config, [weights], lambda: TaggerModel(new_encoder(folder), config))
    except Exception as error:  # any kind: transformers and the heads raise different errors for invalid models
        raise ArtifactError(f"{folder}: the model cannot be built ({error}); fetch it again, or train one") from None
    model = TaggerModel(new_encoder(folder), config)
    try:
        model.load_state_dict(load_file(weights))
    except RuntimeError as error:
        raise ArtifactError(f"{weights}: not the weights that {FILE} describes ({error}); train it again") from None
    return model


def model_of(tagger: Tagger) -> TaggerModel:
    """The network of a tagger that was loaded with this runtime."""
    assert isinstance(tagger.runtime, TorchRuntime)
    return tagger.runtime.model
