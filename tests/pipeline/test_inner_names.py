"""Names of other libraries that are no public interface and that we use: an upgrade without one fails here first."""

import importlib
import inspect
from typing import Any

import pytest

NAMES = [
    ("transformers", "Trainer._save_checkpoint", "training/resume.py overrides it"),
    ("transformers", "Trainer._load_from_checkpoint", "training/resume.py overrides it"),
    ("transformers", "Trainer._load_rng_state", "training/resume.py overrides it"),
    ("transformers", "Trainer._save_optimizer_and_scheduler", "training/resume.py calls it"),
    ("transformers", "Trainer._save_scaler", "training/resume.py calls it"),
    ("transformers", "Trainer.get_train_dataloader", "training/trainer.py overrides it"),
    ("transformers", "Trainer.create_optimizer", "training/trainer.py overrides it"),
    ("transformers", "Trainer.get_optimizer_cls_and_kwargs", "training/trainer.py calls it"),
    ("transformers", "PreTrainedModel.set_attn_implementation", "exporting/onnx.py and training/teacher.py call it"),
    ("transformers.models.auto.modeling_auto", "MODEL_FOR_MASKED_LM_MAPPING_NAMES", "backbones/_safety.py reads it"),
    ("torch.cpu", "_is_amx_tile_supported", "training/device.py asks it"),
    ("torch.cpu", "_is_avx512_bf16_supported", "training/device.py asks it"),
    ("accelerate.utils", "broadcast_object_list", "training/resume.py calls it"),
    ("accelerate.utils", "gather_object", "training/resume.py calls it"),
    ("onnxruntime.transformers.fusion_options", "FusionOptions.use_multi_head_attention", "exporting/onnx.py sets it"),
    ("onnxruntime.transformers.optimizer", "optimize_model", "exporting/onnx.py calls it"),
    ("onnxruntime.quantization.quant_utils", "add_pre_process_metadata", "exporting/onnx.py calls it"),
    ("mlflow", "MlflowClient.create_logged_model", "tracking/model_registry.py calls it"),
    ("mlflow", "MlflowClient.log_model_artifacts", "tracking/model_registry.py calls it"),
    ("mlflow", "MlflowClient.finalize_logged_model", "tracking/model_registry.py calls it"),
    ("mlflow", "MlflowClient.log_outputs", "tracking/model_registry.py calls it"),
    ("mlflow.entities", "LoggedModelOutput", "tracking/model_registry.py uses it"),
    ("dvc.repo.experiments.utils", "resolve_name", "experiments/revision.py calls it"),
    ("dvc.repo.experiments.utils", "exp_refs", "experiments/revision.py calls it"),
    ("dvc.scm", "resolve_rev", "experiments/revision.py calls it"),
    ("dvc.repo", "Repo.dvcfs", "tools/results/experiment.py reads through it"),
    ("dvc.repo.stage", "StageLoad.load_one", "tools/results/experiment.py calls it"),
    ("dvc.stage", "Stage.changed_stage", "tools/results/experiment.py calls it"),
    ("dvc.output", "Output.workspace_status", "tools/results/experiment.py calls it"),
    ("dvc.dependency.param", "ParamsDependency.read_params", "tools/results/experiment.py calls it"),
    ("dvc.fs.dvc", "_DVCFileSystem.isdvc", "tools/results/experiment.py calls it"),
]
ARGUMENTS = [
    ("mlflow.pyfunc", "save_model", "mlflow_model", "tracking/pyfunc_model.py gives its own card"),
    ("mlflow.pyfunc", "save_model", "code_paths", "tracking/pyfunc_model.py ships the package"),
    ("mlflow.pyfunc", "save_model", "model_config", "tracking/pyfunc_model.py gives runtime and device"),
    ("torch.onnx", "export", "dynamo", "exporting/onnx.py traces by TorchScript"),
]
WORDS = [
    ("transformers", "Trainer", "_tr_loss", "training/resume.py saves and restores it"),
    ("transformers", "Trainer", "_globalstep_last_logged", "training/resume.py saves and restores it"),
    ("transformers", "PreTrainedConfig", "_attn_implementation", "training/model_setup.py sets it"),
]
"""Attributes that exist only on instances: the class's source has to name them."""


def found(module: str, name: str) -> Any:
    value: Any = importlib.import_module(module)
    for part in name.split("."):
        value = getattr(value, part, None)
    return value


def advice(what: str, use: str) -> str:
    return f"{what} is gone in this version: {use}; adapt that, or keep the older version in pyproject.toml"


@pytest.mark.parametrize(("module", "name", "use"), NAMES)
def test_inner_name_is_still_there(module: str, name: str, use: str) -> None:
    owner, _, last = name.rpartition(".")
    value = found(module, name)
    if value is None and owner:  # set in the constructor
        assert f"self.{last}" in inspect.getsource(found(module, owner)), advice(f"{module}.{name}", use)
        return
    assert value is not None, advice(f"{module}.{name}", use)


@pytest.mark.parametrize(("module", "name", "argument", "use"), ARGUMENTS)
def test_inner_argument_is_still_there(module: str, name: str, argument: str, use: str) -> None:
    signature = inspect.signature(found(module, name))
    assert argument in signature.parameters, advice(f"{module}.{name}({argument}=…)", use)


@pytest.mark.parametrize(("module", "name", "word", "use"), WORDS)
def test_inner_attribute_is_still_there(module: str, name: str, word: str, use: str) -> None:
    assert word in inspect.getsource(found(module, name)), advice(f"{module}.{name}.{word}", use)
