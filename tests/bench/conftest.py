"""A pipeline's folder that the recipes train on, and results as the bench measures them."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

PEOPLE, PLACES = ("黄飞鸿", "王德发", "晓明", "晓艳", "李雷"), ("北京", "佛山", "上海", "广东", "宝芝林")
SENTENCES = [
    {"text": f"{person}目前住在{place}，", "entities": [{"type": "name", "start": 0, "end": len(person)}]}
    for person in PEOPLE
    for place in PLACES
]


@pytest.fixture(scope="session")
def sentences() -> list[dict[str, Any]]:
    """Every split of ``place``."""
    return SENTENCES


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory, backbones: dict[str, Path]) -> Path:
    """A pipeline's folder with a tiny corpus and a tiny random BERT."""
    from bench import inputs
    from clue_ner.core.params import load_params
    from clue_ner.training.model_setup import OFF

    place = tmp_path_factory.mktemp("bench")
    (place / "corpus").mkdir()
    lines = "".join(json.dumps(sentence, ensure_ascii=False) + "\n" for sentence in SENTENCES)
    for split in ("train", "valid", "test"):
        (place / f"corpus/{split}.jsonl").write_text(lines, encoding="utf-8")
    values = load_params(inputs.ROOT / "params.yaml").model_dump()
    values["corpus"] |= {"name": "jsonl", "path": str(place / "corpus")}
    values["backbone"] |= {"name": str(backbones["wordpiece"]), "revision": None}
    values["train"] |= OFF | {"batch_size": 5, "context_size": 8, "epochs": 3, "lr": 1e-2}
    (place / "values.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    inputs.make(inputs.ROOT, place, load_params(place / "values.yaml"))
    return place


def _recipe(characters: float, f1: float, reached: float | None) -> dict[str, Any]:
    return {
        "number_format": "float32",
        "ended": reached is None,
        "characters_per_second": characters,
        "tokens_per_second": characters * 1.05,
        "padded_share": 0.25,
        "seconds_per_step": 1.5,
        "peak_memory_gb": 2.31,
        "flops_per_second": 4e10,
        "curve": [[15.0, f1 / 2], [30.0, f1]],
        "seconds_to_target": reached,
    }


def _tagged(bulk: float, f1: float | None) -> dict[str, Any]:
    single = {"single_characters_per_second": bulk / 2, "p50_ms": 12.0, "p99_ms": 34.5}
    return {"device": "cpu", "bulk_characters_per_second": bulk, **single, "micro_f1": f1}


def _light(bulk: float, outside: float, p50: float | None = None) -> dict[str, float]:
    latencies = {} if p50 is None else {"p50_ms": p50, "p99_ms": 2 * p50}
    return {"bulk_characters_per_second": bulk, "outside_share": outside, **latencies}


@pytest.fixture
def results() -> dict[str, Any]:
    """Results of every part."""
    return {
        "command": "make bench",
        "seconds": 600.0,
        "machine": {
            "processor": "A processor",
            "cores": 2,
            "threads": 2,
            "memory_gb": 16.0,
            "gpu": None,
            "native_bf16": False,
            "versions": {"python": "3.11.2", "torch": "2.0"},
        },
        "data": {
            "corpus": "sample",
            "mean_characters": 20.0,
            "backbone": "e5",
            "layers": 12,
            "hidden": 384,
            "batch_size": 32,
        },
        "peaks": {"float32": {"square": 1.6e11, "layer": 8e10, "shapes": {"704 × 384 × 384": 8e10}}},
        "training": {
            "seconds": 30.0,
            "target_f1": 0.5,
            "recipes": {
                "plain": _recipe(900, 0.1, None),
                "stock": _recipe(1000, 0.2, None),
                "ours": _recipe(2500, 0.55, 30.0),
            },
        },
        "heads": {
            "committed": "crf over pieces",
            "compared": [
                {
                    "title": "softmax",
                    "committed_characters_per_second": 1000.0,
                    "characters_per_second": 1250.0,
                    "trained_parameters": 21_400_000,
                }
            ],
        },
        "tagging": {
            "note": None,
            "bulk_sentences": 1000,
            "single_sentences": 200,
            "scored_sentences": 1343,
            "candidates": {
                "pipeline": _tagged(1000, None),
                "torch": _tagged(2000, 0.7779),
                "onnx": _tagged(2200, 0.7779),
                "int8": _tagged(4000, 0.773),
            },
        },
        "light": {
            "trained": True,
            "cold": {
                "int8": {"ours": 1.0, "baseline": 10.0, "bare": 0.625},
                "auto": {"ours": 1.5, "baseline": 12.0, "bare": 1.25},
            },
            "bulk_sentences": 1000,
            "single_sentences": 200,
            "warm": {
                "torch": {"ours": _light(2200, 0.05), "baseline": _light(2000, 0.2)},
                "onnx": {"ours": _light(4000, 0.06, 12.0), "baseline": _light(2500, 0.25, 16.0)},
                "int8": {"ours": _light(6000, 0.09, 6.0), "baseline": _light(3000, 0.31, 10.0)},
            },
            "venv_bytes": 240_000_000,
            "environment_bytes": 2_400_000_000,
        },
        "serve": {
            "trained": True,
            "clients": 32,
            "seconds": 20.0,
            "throughput": {
                "int8": {"per_second": 300.0, "per_cpu_second": 180.0},
                "torch": {"per_second": 150.0, "per_cpu_second": 80.0},
                "mlflow_int8": {"per_second": 100.0, "per_cpu_second": 60.0},
                "mlflow_torch": {"per_second": 60.0, "per_cpu_second": 40.0},
                "baseline": {"per_second": 50.0, "per_cpu_second": 30.0},
            },
            "latency": {"one_p50_ms": 8.0, "half_p50_ms": 10.0, "half_p99_ms": 30.0, "half_per_second": 150.0},
            "memory_bytes": [200_000_000, 204_000_000],
            "bulk_per_cpu_second": 200.0,
        },
        "demo": {"seconds": {"fine_tune": 50.0, "start and end": 50.0, "all": 100.0}, "micro_f1": [0.84, 0.85]},
        "overhead": {
            "pipeline": 22.0,
            "import": 4.0,
            "ratio": 5.5,
            "stages": {
                "download": {"process": 1.0, "imports": 0.4},
                "fine_tune": {"process": 9.0, "imports": 6.0},
            },
        },
        "pipeline": {
            "which": "all of it",
            "repro": {"pipeline": 2.4, "empty": 2.0},
            "starts": {"interpreter": 0.02, "download": 0.5},
            "tokenize_align": {"seconds": 4.2, "peak_gb": 0.6, "imports_gb": 0.3},
        },
        "scaling": {
            "evaluate": [
                {"times": 1, "sentences": 10, "seconds": 1.0, "peak_gb": 0.5, "imports_gb": 0.2},
                {"times": 4, "sentences": 40, "seconds": 4.0, "peak_gb": 1.0, "imports_gb": 0.2},
            ]
        },
        "reading": {
            "sentences": 1000,
            "rounds": 3,
            "per_cpu_second": {"now": 250.0, "baseline": 100.0},
            "sizes": [1000, 11000],
            "memory": {
                "convert": [30e6, 33e6],
                "held": [40e6, 46e6],
                "download": [50e6, 56.8e6],
                "report": [60e6, 67e6],
            },
        },
    }
