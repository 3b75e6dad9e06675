"""`lsg-convert bench`: how fast a converted model is on this machine, against the same model with dense attention."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsg_convert.bench.estimate import estimate_benchmark
from lsg_convert.bench.meter import Sample, in_turns, measure, summarize
from lsg_convert.bench.plot import write_plot
from lsg_convert.common.errors import LSGConvertError, RequestError
from lsg_convert.common.files import printable
from lsg_convert.common.progress import Reporter, SilentReporter, import_libraries
from lsg_convert.common.quiet import libraries_quiet
from lsg_convert.families import dense_model_type, family_of
from lsg_convert.folder.model_loading import keep_attention_type, load_model
from lsg_convert.folder.trusted_code import FolderCode
from lsg_convert.plan.config_values import read_config
from lsg_convert.plan.foreign_keys import without_foreign_keys
from lsg_convert.plan.plan import find_family
from lsg_convert.sources.checkpoint import Checkpoint

if TYPE_CHECKING:
    import torch

CONVERTED, DENSE = "converted", "dense"


@dataclass
class BenchReport:
    """What was measured: for each mode, length and side the seconds, and the peak memory above the model's own."""

    folder: str
    machine: dict[str, Any]
    dtype: str
    rounds: int
    notes: list[str] = field(default_factory=list)
    samples: dict[tuple[str, int, str], list[Sample]] = field(default_factory=dict)
    peaks: dict[tuple[str, int, str], int | None] = field(default_factory=dict)

    def rows(self) -> list[dict[str, Any]]:
        """One row for each mode and length, with the ratio converted / dense."""
        rows = []
        for mode, length in dict.fromkeys((mode, length) for mode, length, _ in self.samples):
            row: dict[str, Any] = {"mode": mode, "tokens": length}
            for side in (CONVERTED, DENSE):
                samples = self.samples.get((mode, length, side))
                if samples:
                    row[f"{side}_s"] = round(summarize([sample.seconds for sample in samples])["median"], 4)
                    peak = self.peaks.get((mode, length, side))
                    if peak is not None:
                        row[f"{side}_mb"] = round(peak / 1e6, 1)
            for unit, name in (("s", "time_ratio"), ("mb", "memory_ratio")):
                ours, theirs = row.get(f"{CONVERTED}_{unit}"), row.get(f"{DENSE}_{unit}")
                if ours is not None and theirs:
                    row[name] = round(ours / theirs, 3)
            rows.append(row)
        return rows

    def as_dict(self) -> dict[str, Any]:
        """Plain values: what `--json` prints."""
        return {
            "folder": self.folder,
            "dtype": self.dtype,
            "rounds": self.rounds,
            "machine": self.machine,
            "results": self.rows(),
            "notes": self.notes,
        }

    def plot(self, path: Path | str) -> None:
        """Draw time and memory against length, log-log, as `write_plot` does."""
        seconds: dict[str, dict[int, float]] = {}
        megabytes: dict[str, dict[int, float]] = {}
        for row in self.rows():
            for side in (CONVERTED, DENSE):
                name = f"{side}, {row['mode']}"
                for panel, unit in ((seconds, "s"), (megabytes, "mb")):
                    if f"{side}_{unit}" in row:
                        panel.setdefault(name, {})[row["tokens"]] = row[f"{side}_{unit}"]
        write_plot(Path(path), {"seconds": seconds, "peak memory above the weights, MB": megabytes})


def run_benchmark(
    folder: Path | str,
    source: str | None = None,
    lengths: Sequence[int] = (512, 1024, 2048, 4096),
    train: bool = False,
    device: str = "cpu",
    dtype: str = "float32",
    reporter: Reporter | None = None,
    rounds: int = 3,
    attention_backend: str | None = None,
    trust_remote_code: bool = False,
) -> BenchReport:
    """Measure the encoder of a converted folder and the library's own with dense attention, in turns.

    The dense side is the library's model with random weights, on which time does not depend, and as many positions as
    the converted model has. Its configuration is that of `source`, if that is a folder, else the converted one's.
    `attention_backend` stands in for the folder's own. The folder's code runs when it is the one that ships, or with
    `trust_remote_code`.

    Raises:
        RequestError: the folder is not a converted one, its code is not ours and not trusted, a length is out of reach,
            the device is not there, or the model cannot compute attention in the way asked for.
    """
    reporter = reporter or SilentReporter()
    import_libraries(reporter)
    import torch

    config = _configuration(Path(folder))
    load = _gate(Path(folder), config, trust_remote_code)
    longest = _longest(config)
    for length in lengths:
        if not 1 <= length <= longest:
            raise RequestError(f"{length} tokens: this model takes 1 to {longest}.", "Choose other --lengths.")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise RequestError(f"--device {device}: torch finds no GPU.", "Leave --device out to measure on the CPU.")

    dense_config = _configuration(Path(source)) if source and Path(source).is_dir() else config
    steps = len(lengths) * (1 + train) * 2 * (rounds + 1)
    report = BenchReport(str(folder), describe_machine(device), dtype, rounds, _notes(config, attention_backend, train))
    estimate_benchmark(Checkpoint.open(Path(folder)), lengths, rounds, train).tell(reporter)
    with reporter.stage("Measuring", steps) as advance, _refused_backends(), libraries_quiet():
        sides = {
            CONVERTED: _loaded(lambda: _converted_encoder(load, config, dtype, device, attention_backend)),
            DENSE: _loaded(lambda: _dense_encoder(dense_config, longest, dtype, device)),
        }
        for encoder in sides.values():  # weights are mapped from their file until they are used
            _step(encoder, _tokens(config, min(lengths), device), "forward")()
        for mode in ("forward", "training step") if train else ("forward",):
            for length in lengths:
                ids = _tokens(config, length, device)
                for turn, side, encoder in in_turns(sides, rounds):
                    sample = measure(_step(encoder, ids, mode), device, memory=not turn)
                    if turn:
                        report.samples.setdefault((mode, length, side), []).append(sample)
                    else:
                        report.peaks[mode, length, side] = sample.peak_bytes
                    advance(1)
    return report


def _notes(config: dict[str, Any], attention_backend: str | None, train: bool) -> list[str]:
    """What a reader of the figures has to know."""
    long = find_family(config).source_options is not None
    own = "the library's own long attention" if long else "the library's own attention (SDPA)"
    notes = [f"dense: {own} in a model of the same size; batch 1, encoder only"]
    if attention_backend:
        notes.append(f"converted: loaded with attention_backend={attention_backend!r}")
    if train:
        notes.append("training step: forward and backward, without dropout")
    return notes


def _loaded(load: Callable[[], torch.nn.Module]) -> torch.nn.Module:
    try:
        return load()
    except (LSGConvertError, MemoryError, OSError):
        raise
    except Exception as error:  # what a broken folder makes the library raise is of any kind
        if str(error).startswith("attention_backend="):
            raise
        raise RequestError(
            f"the model does not load: {type(error).__name__}: {printable(error, 300)}", "convert the source again."
        ) from error


@contextmanager
def _refused_backends() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        if not str(error).startswith("attention_backend="):
            raise
        raise RequestError(str(error), "Choose another --attention-backend.") from error


def describe_machine(device: str = "cpu") -> dict[str, Any]:
    """What the figures were taken on."""
    import torch
    import transformers

    processor = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        processor = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), processor)
    if device.startswith("cuda"):
        processor = torch.cuda.get_device_name(device)
    return {
        "processor": processor,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def _configuration(folder: Path) -> dict[str, Any]:
    """The configuration of a folder, converted or not, that holds what it asks for."""
    config = read_config(folder)
    find_family(config)
    return config


def _gate(folder: Path, config: dict[str, Any], trusted: bool) -> Callable[..., Any]:
    """What loads the folder's base model; raises RequestError where its code may not run, before any of it has."""
    family = find_family(config)
    code = FolderCode.read(folder, family)
    reason = code.why_not(trusted)
    if reason is None and not trusted and config.get("auto_map") != family.auto_map():
        reason = "auto_map in config.json does not point at the code that ships with lsg-convert"
    if reason is not None:
        raise RequestError(f"not measured: {reason}.", "convert the source again, or trust it: --trust-remote-code.")

    def load(dtype: str, device: str, **options: Any) -> Any:
        model_class = getattr(code.load(family, trusted), family.lsg_class(family.base_class))
        return load_model(model_class, folder, dtype, device, **options)[0]

    return load


def _longest(config: dict[str, Any]) -> int:
    """How many tokens a model of this configuration takes; models without a position table take any number."""
    family = family_of(config)
    encoder = {} if family is None else family.encoder_config(config)
    if family is None or not family.positions_of(encoder):
        return 1 << 20
    return int(encoder[family.positions_field]) - family.config_positions_offset(encoder)


def _converted_encoder(
    load: Callable[..., Any], config: dict[str, Any], dtype: str, device: str, attention_backend: str | None
) -> torch.nn.Module:
    options = {"attention_backend": attention_backend} if attention_backend else {}
    if config.get("automatic_globals") != "ends":
        # Random tokens have no separators, and the other side no global tokens.
        options["automatic_globals"] = "none"
    encoder: torch.nn.Module = _encoder(load(dtype, device, **options))
    return encoder


def _dense_encoder(config: dict[str, Any], longest: int, dtype: str, device: str) -> torch.nn.Module:
    import torch
    from transformers import AutoConfig, AutoModel

    plain = {
        name: value
        for name, value in without_foreign_keys(config).items()
        if name not in ("architectures", "torch_dtype", "dtype")
    }
    field = find_family(config).positions_field
    if field in plain:
        plain[field] = max(plain[field], longest + 2)
    built = AutoConfig.for_model(**plain | {"model_type": dense_model_type(plain)})
    model = AutoModel.from_config(built)
    return _encoder(keep_attention_type(model)).to(device, getattr(torch, dtype)).eval()


def _encoder(model: Any) -> Any:
    return model.get_encoder() if model.config.is_encoder_decoder else model


def _tokens(config: dict[str, Any], length: int, device: str) -> torch.Tensor:
    """Random ids [1, length] that open as texts do: attention has less to do then."""
    import torch

    ids = torch.randint(5, config["vocab_size"], (1, length), device=device)
    opening = config.get("opening_token_id")
    if opening is not None:
        ids[:, 0] = opening
    return ids


def _step(encoder: torch.nn.Module, ids: torch.Tensor, mode: str) -> Callable[[], Any]:
    """One forward pass, or one with gradients."""
    import torch

    def forward() -> Any:
        with torch.inference_mode():
            return encoder(input_ids=ids)[0]

    def training_step() -> None:
        encoder.zero_grad(set_to_none=True)
        encoder(input_ids=ids)[0].float().square().mean().backward()

    return forward if mode == "forward" else training_step
