"""`run_benchmark`: rows, ratios, a plot, and requests it cannot serve."""

import json
import xml.etree.ElementTree as ElementTree

import pytest

from lsg_convert import convert
from lsg_convert.bench.meter import in_turns, measure
from lsg_convert.bench.plot import check_plot, write_plot
from lsg_convert.bench.run import run_benchmark
from lsg_convert.common.errors import RequestError
from tests.command import lsg_convert
from tests.tiny import make_checkpoint


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("bench")
    source = make_checkpoint("bert", "BertForMaskedLM", root / "source", max_positions=64)
    return convert(source, max_len=128, output=root / "converted", block_size=16, sparse_block_size=16).output


def test_both_sides_are_measured_at_every_length(folder, tmp_path):
    report = run_benchmark(folder, lengths=[16, 128], train=True, rounds=1)
    rows = report.as_dict()["results"]
    assert [(row["mode"], row["tokens"]) for row in rows] == [
        ("forward", 16), ("forward", 128), ("training step", 16), ("training step", 128)
    ]  # fmt: skip
    assert all(row["time_ratio"] > 0 and row["converted_s"] > 0 for row in rows)
    json.dumps(report.as_dict())
    report.plot(tmp_path / "plot.svg")
    assert ElementTree.parse(tmp_path / "plot.svg").getroot().tag.endswith("svg")


def test_a_plot_shows_every_length_and_side(tmp_path):
    write_plot(tmp_path / "plot.svg", {"seconds": {"dense, forward": {512: 0.1, 1024: 0.4}}, "MB": {}})
    texts = {node.text for node in ElementTree.parse(tmp_path / "plot.svg").iter("{http://www.w3.org/2000/svg}text")}
    assert {"seconds", "512", "1024", "tokens", "dense, forward"} <= texts
    write_plot(tmp_path / "plot.png", {"seconds": {"dense, forward": {512: 0.1}}})
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_a_plot_is_refused_before_anything_is_measured(tmp_path):
    (tmp_path / "matplotlib.py").write_text("raise ImportError('not here')")
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "lsg_conversion.json").write_text("{}")
    done = lsg_convert("bench", ".", "--plot", "x.svg", cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert done.code == 2
    assert "--plot needs matplotlib" in done.output
    assert "lsg-convert[plot]" in done.output


@pytest.mark.parametrize(("name", "complaint"), [("plot.jpg2", "must end in .svg"), ("none/plot.svg", "no folder")])
def test_a_plot_that_cannot_be_written_is_refused(name, complaint, tmp_path):
    with pytest.raises(RequestError, match=complaint):
        check_plot(tmp_path / name)


def test_attention_can_be_computed_in_another_way_than_the_folder_says(folder):
    report = run_benchmark(folder, lengths=[128], rounds=1, attention_backend="sdpa")
    assert len(report.rows()) == 1
    assert any("attention_backend='sdpa'" in note for note in report.notes)


def test_what_the_model_refuses_is_a_refused_request(folder):
    with pytest.raises(RequestError, match="attention_backend='nonsense': must be one of"):
        run_benchmark(folder, lengths=[128], rounds=1, attention_backend="nonsense")
    with pytest.raises(RequestError, match="attention_backend='cpp': this folder has no code for it"):
        run_benchmark(folder, lengths=[128], rounds=1, attention_backend="cpp")


def test_a_length_out_of_reach_is_refused(folder):
    with pytest.raises(RequestError, match="129 tokens: this model takes 1 to 128"):
        run_benchmark(folder, lengths=[129])


def test_a_folder_without_config_is_refused(tmp_path):
    with pytest.raises(RequestError, match=r"config\.json"):
        run_benchmark(tmp_path)


def test_sides_take_turns():
    assert [(turn, name) for turn, name, _ in in_turns({"a": 1, "b": 2}, rounds=1)] == [
        (0, "a"), (0, "b"), (1, "a"), (1, "b")
    ]  # fmt: skip


def test_peak_memory_is_what_a_call_takes_at_most():
    sample = measure(lambda: [bytearray(b"x" * 30_000_000) for _ in range(2)] and None)
    if sample.peak_bytes is not None:
        assert 55e6 < sample.peak_bytes < 130e6
