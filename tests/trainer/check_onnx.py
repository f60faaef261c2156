#!/usr/bin/env python3
"""check_onnx.py FOLDER: ONNX Runtime's outputs against those of our engine, which make_onnx has written beside the models.

Exit status 77 (skipped) where numpy or onnxruntime isn't installed."""
import sys
from pathlib import Path

try:
    import numpy as np
    import onnxruntime as ort
except ImportError as missing:
    print(f"skipped: {missing}. To run it: pip install numpy onnxruntime (-D LEADLINE_TEST_PYTHON= for a Python of your own)")
    sys.exit(77)

TOLERANCE = 2e-5  # of the largest value
# On bytes, of the mean error. Most networks agree as floats do; one step apart are those where a sum lies between two
# steps: bilinear means often do, and we round them up, ONNX to even.
INT8_TOLERANCE, INT8_MEDIAN = 1e-2, 1e-5
models = sorted(Path(sys.argv[1]).glob("*.onnx"))
if len(models) < 50:
    sys.exit(f"only {len(models)} models in {sys.argv[1]}: run make_onnx first")
failures, largest, outputs_seen, int8_errors = 0, 0.0, 0, []
options = ort.SessionOptions()
options.intra_op_num_threads = 1
options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
for model in models:
    try:
        session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        (image,) = session.get_inputs()
        x = np.fromfile(model.with_suffix(".input"), np.float32).reshape(image.shape)
        results = session.run(None, {image.name: x})
        assert session.get_modelmeta().custom_metadata_map == {"case": model.stem}, "metadata"
        for k, (output, y) in enumerate(zip(session.get_outputs(), results)):
            assert output.name == ("output" if k == 0 else f"output.{k}"), output.name
            wanted = np.fromfile(model.with_suffix(f".output.{k}"), np.float32).reshape(output.shape)
            on_bytes = model.stem.startswith("int8_")
            difference = np.abs(y - wanted)
            error = float((difference.mean() if on_bytes else difference.max()) / max(np.abs(wanted).max(), 1e-6))
            if on_bytes:
                int8_errors.append(error)
            else:
                largest = max(largest, error)
            outputs_seen += 1
            if not error <= (INT8_TOLERANCE if on_bytes else TOLERANCE):
                failures += 1
                print(f"{model.stem}, output {k}: relative error {error:.1e}")
    except Exception as error:  # any reason that a model isn't accepted
        failures += 1
        print(f"{model.stem}: {str(error).splitlines()[0]}")
median = sorted(int8_errors)[len(int8_errors) // 2]
if not median <= INT8_MEDIAN:
    failures += 1
    print(f"on bytes, the median of the mean errors is {median:.1e}")
print(f"{len(models)} models, {outputs_seen} outputs, ONNX Runtime {ort.__version__}: largest relative error {largest:.1e}, "
      f"{len(int8_errors)} on bytes: mean errors up to {max(int8_errors):.1e}, median {median:.1e}")
sys.exit(1 if failures else 0)
