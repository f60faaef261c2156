#!/usr/bin/env python3
"""check_tensorboard.py LEADLINE: the real TensorBoard's reader loads what a run and its continuation have written.

Exit status 77 (skipped) where tensorboard isn't installed."""
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import tensorboard
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
    from tensorboard.compat.proto.event_pb2 import Event
except ImportError as missing:
    print(f"skipped: {missing}. To run it: pip install tensorboard (-D LEADLINE_TEST_PYTHON= for a Python of your own)")
    sys.exit(77)

leadline = sys.argv[1]
environment = dict(os.environ, OMP_NUM_THREADS="1", OMP_WAIT_POLICY="passive", OMP_PROC_BIND="false")


def train(*arguments):
    subprocess.run([leadline, "train", *arguments], check=True, env=environment, stdout=subprocess.DEVNULL)


with tempfile.TemporaryDirectory() as folder:
    run = Path(folder) / "run"
    frames = "height=24,width=32"
    train("--run.dir", str(run), "--data.train", f"synthetic:count=10,{frames}", "--data.val",
          f"synthetic:count=3,split=val,{frames}", "--data.size", "24x32", "--data.batch_size", "2",
          "--model.base_channels", "4", "--model.levels", "2", "--train.epochs", "2", "--scheduler.name", "constant",
          "--run.loggers", "csv, jsonl, tensorboard")
    train("--resume", str(run), "--train.epochs", "3")

    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    steps = [line for line in lines if line["event"] == "step"]
    epochs = [line for line in lines if line["event"] == "epoch"]
    assert [line["step"] for line in steps] == list(range(1, 16)), "metrics.jsonl: steps"

    events = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0, "images": 0, "histograms": 0})
    events.Reload()
    tags = events.Tags()
    for tag, name, wanted in [("train/loss", "loss", steps), ("train/lr", "lr", steps), ("val/rmse", "rmse", epochs),
                              ("train/epoch_loss", "train_loss", epochs), ("val/delta1", "delta1", epochs)]:
        points = events.Scalars(tag)
        assert [p.step for p in points] == [line["step"] for line in wanted], (tag, [p.step for p in points])
        for point, line in zip(points, wanted):
            assert abs(point.value - line[name]) <= 1e-6 * abs(line[name]), (tag, point, line)
            assert abs(point.wall_time - points[0].wall_time) < 3600 and point.wall_time > 1.6e9, point

    assert len(tags["images"]) == 3, tags["images"]
    for tag in tags["images"]:
        pictures = events.Images(tag)
        assert [p.step for p in pictures] == [5, 10, 15], tag
        for picture in pictures:
            assert picture.encoded_image_string[:8] == b"\x89PNG\r\n\x1a\n" and picture.width > picture.height > 0, tag

    weights = [tag for tag in tags["histograms"] if tag.startswith("weights/")]
    gradients = [tag for tag in tags["histograms"] if tag.startswith("gradients/")]
    assert len(weights) == len(gradients) > 10, tags["histograms"]
    for tag in weights + gradients:
        for histogram in events.Histograms(tag):
            value = histogram.histogram_value
            assert value.num > 0 and abs(sum(value.bucket) - value.num) <= 1e-9 * value.num, (tag, value)
            assert value.min <= value.max <= value.bucket_limit[-1], (tag, value)

    # What other programs see that read the files one after the other (`wandb sync`): no step twice.
    seen = []
    for file in sorted((run / "tensorboard").iterdir()):
        for raw in RawEventFileLoader(str(file)).Load():
            event = Event.FromString(raw)
            seen += [event.step for value in event.summary.value if value.tag == "train/loss"]
    assert seen == list(range(1, 16)), seen
    print(f"TensorBoard {tensorboard.__version__}: {len(tags['scalars'])} scalars, {len(tags['images'])} pictures, "
          f"{len(tags['histograms'])} histograms over {len(steps)} steps")
