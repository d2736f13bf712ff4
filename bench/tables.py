"""The measurements as tables: ratios first, units in the headers."""

from collections.abc import Iterator, Sequence
from typing import Any

from bench import demo, light_tables, pipeline_tables, reading_tables, serve_tables
from bench.cells import Table, number, times
from bench.recipes import RECIPES

TAGGERS = {"pipeline": 'pipeline("ner")', "torch": "Tagger, torch", "onnx": "Tagger, ONNX", "int8": "Tagger, int8"}

Results = dict[str, Any]


def tables(results: Results) -> Iterator[Table]:
    """The tables of the parts that were measured, the machine's first."""
    yield _machine(results)
    for name, table in (("training", _training), ("heads", _heads), ("tagging", _tagging)):
        if name in results:
            yield table(results)
    if "light" in results:
        yield from light_tables.tables(results["light"])
    if "serve" in results:
        yield from serve_tables.tables(results["serve"])
    if "demo" in results:
        yield demo.table(results["demo"])
    if "overhead" in results:
        yield pipeline_tables.overhead(results["overhead"])
    if "pipeline" in results:
        yield pipeline_tables.repro(results["pipeline"])
        yield pipeline_tables.starts(results["pipeline"])
    if "scaling" in results:
        yield pipeline_tables.scaling(results["scaling"])
    if "reading" in results:
        yield from reading_tables.tables(results["reading"])


def _machine(results: Results) -> Table:
    machine, data = results["machine"], results["data"]
    rows = [
        ["CPU", f"{machine['processor']}, {machine['cores']} cores, {machine['threads']} threads"],
        ["memory", f"{number(machine['memory_gb'])} GB"],
        ["GPU", machine["gpu"] or "none"],
        ["bf16", "native" if machine["native_bf16"] else "not native (emulated, so nothing here uses it)"],
        ["versions", ", ".join(f"{name} {of}" for name, of in machine["versions"].items())],
        ["corpus", f"{data['corpus']}, {data['mean_characters']:.1f} characters a sentence"],
        ["backbone", f"{data['backbone']}, {data['layers']} × {data['hidden']}, in batches of {data['batch_size']}"],
    ]
    for form, peak in results["peaks"].items():
        shapes = ", ".join(f"{shape}: {number(rate / 1e12)}" for shape, rate in peak["shapes"].items())
        products = (
            f"{number(peak['square'] / 1e12)} TFLOP/s, square; {number(peak['layer'] / 1e12)} in an encoder layer"
        )
        rows.append([f"{form} matrix products", f"{products} ({shapes})"])
    return Table("Machine and data", ["what", "which"], rows)


def _training(results: Results) -> Table:
    training, peaks = results["training"], results["peaks"]
    recipes = training["recipes"]
    stock = recipes["stock"]["characters_per_second"]
    columns = []
    for recipe in recipes.values():
        peak, flops = peaks[recipe["number_format"]], recipe["flops_per_second"]
        seconds, f1 = recipe["curve"][-1]
        reached = recipe["seconds_to_target"]
        columns.append(
            {
                "characters/s against stock Trainer": times(recipe["characters_per_second"], stock),
                "characters/s": number(recipe["characters_per_second"]),
                "tokens/s, without padding": number(recipe["tokens_per_second"]),
                "padding, % of tokens": number(100 * recipe["padded_share"]),
                "s/step": number(recipe["seconds_per_step"]),
                "number format": recipe["number_format"],
                "FLOP/s, % of the matmul peak": number(100 * flops / peak["square"]),
                "FLOP/s, % of the peak at an encoder layer's shapes": number(100 * flops / peak["layer"]),
                "peak memory, GB": number(recipe["peak_memory_gb"]),
                f"s of training to valid F1 {100 * training['target_f1']:g} %": (
                    number(reached) if reached else f"not reached in {number(seconds)} s"
                ),
                "valid F1 at the end, %": f"{100 * f1:.1f}" + (" (its whole training)" if recipe["ended"] else ""),
                "s of training": number(seconds),
            }
        )
    notes = [f"{RECIPES[name].title}: {RECIPES[name].about}." for name in recipes] + [
        f"Same initial weights, sentences and batch size; {number(training['seconds'])} s of training each, in "
        "alternation, one process at a time. The learning rate schedule is that of the whole training, stopped "
        "early. The first three steps are not timed.",
        "Share of the peak: (6 × elements of all matrices × tokens per second, padding included) / measured FLOP/s of "
        "the number format. A frozen matrix counts 2 × instead of 6 ×; embedding tables and the products inside "
        "attention are not counted.",
        "Valid F1: micro F1 on the first 200 valid sentences, after each turn. The time for it is not counted.",
    ]
    return _across("Training", [RECIPES[name].title for name in recipes], columns, notes)


def _heads(results: Results) -> Table:
    heads = results["heads"]
    rows = [
        [
            one["title"],
            times(one["characters_per_second"], one["committed_characters_per_second"]),
            number(one["characters_per_second"]),
            f"{one['trained_parameters'] / 1e6:.1f} M",
        ]
        for one in heads["compared"]
    ]
    notes = [
        f"Each one in turns with {heads['committed']}, the configuration in params.yaml. All other values are those of "
        "params.yaml, but without training options such as R-Drop, and without validation. F1 of each: "
        "[results.md](results.md#the-table)."
    ]
    header = ["configuration", "characters/s against params.yaml", "characters/s", "trainable parameters"]
    return Table("Training other heads and alignments", header, rows, notes)


def _tagging(results: Results) -> Table:
    tagging = results["tagging"]
    candidates = tagging["candidates"]
    stock, torch_f1 = candidates["pipeline"], candidates["torch"]["micro_f1"]
    columns = []
    for name, one in candidates.items():
        f1 = one["micro_f1"]
        bulk, single = one["bulk_characters_per_second"], one["single_characters_per_second"]
        columns.append(
            {
                "device": one["device"],
                "bulk, characters/s against pipeline": times(bulk, stock["bulk_characters_per_second"]),
                "one by one, characters/s against pipeline": times(single, stock["single_characters_per_second"]),
                "bulk, characters/s": number(bulk),
                "one by one, characters/s": number(single),
                "latency of a sentence, p50, ms": number(one["p50_ms"]),
                "latency of a sentence, p99, ms": number(one["p99_ms"]),
                "micro F1, %": "–" if f1 is None else f"{100 * f1:.2f}",
                "micro F1 against torch, points": (
                    "–" if f1 is None or name == "torch" else f"{100 * (f1 - torch_f1):+.2f}"
                ),
            }
        )
    notes = [
        f"Bulk: {tagging['bulk_sentences']} sentences in batches of 64 (Tagger: at most 512 tokens in a batch). One by "
        f"one: {tagging['single_sentences']} sentences. All in alternation, on the same sentences of the test split.",
        'pipeline("ner", aggregation_strategy="simple") uses the same backbone with one token for each character. Its '
        "head is random and finds nothing, which takes less time than finding entities, so it has no F1.",
    ]
    note = tagging["note"]
    notes.append(f"Tagger: {note}." if note else f"F1: on all {tagging['scored_sentences']} sentences of the split.")
    return _across("Tagging", [TAGGERS[name] for name in candidates], columns, notes)


def _across(title: str, names: Sequence[str], columns: Sequence[dict[str, str]], notes: Sequence[str]) -> Table:
    """A table with one column for each compared variant."""
    rows = [[quantity, *(column[quantity] for column in columns)] for quantity in columns[0]]
    return Table(title, ["", *names], rows, notes)
