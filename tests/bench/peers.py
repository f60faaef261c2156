#!/usr/bin/env python3
"""Leadline beside other engines and PyTorch, on the same networks, in the same minutes, taking turns.

    peers.py install VENV                      a virtual environment with the peers, from PyPI
    peers.py inference --venv VENV --out DIR   speed, agreement, cold start, memory of inference
    peers.py train     --venv VENV --out DIR   speed and memory of training steps, against PyTorch
    peers.py report DIR                        DIR/results.json as DIR/table.md, inference.png, train.png; --readme FILE

Networks are written NETWORK[:option=value,...]@HEIGHTxWIDTH, with the [model] options of `leadline train`:

    peers.py inference --venv VENV --out DIR --network unet:base_channels=16,levels=4@480x640 --threads 1,2 --rounds 20

or FILE.lead, if FILE.onnx (leadline export --format onnx) lies beside it; with --precision int8 FILE.int8.lead (leadline
export --precision int8) too. Needs a build with LEADLINE_BUILD_BENCH
(--build, default: build). All engines of a comparison live in one process and take turns: in each round each engine runs
once to warm up, then for --seconds. Cold start (model file to first answer, imports not counted) and peak memory (whole
process less that of a Python that has imported numpy) are measured in fresh processes."""
import argparse
import ctypes
import importlib
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

INFERENCE_NETWORKS = ["unet:base_channels=32,levels=3@224x224", "fastdepth:head=relu@224x224"]
TRAINING_NETWORKS = ["unet:base_channels=32,levels=3@224x224"]
PACKAGES = ["numpy", "matplotlib", "onnx", "onnxruntime", "openvino", "ncnn", "MNN", "torch", "pnnx"]


# ---- networks --------------------------------------------------------------------------------------------------------

class Network:
    """A network of ours as model files: NAME.lead, NAME.onnx, and what peers' converters make of the latter."""

    def __init__(self, text, build, folder):
        self.text = text
        if text.endswith(".lead"):
            self.stem = Path(text).with_suffix("").resolve()
            self.label = self.stem.name
            self.options = None
            return
        match = re.fullmatch(r"(\w+)(?::([^@]*))?@(\d+)x(\d+)", text)
        if not match:
            sys.exit(f"--network is \"{text}\": NETWORK[:option=value,...]@HEIGHTxWIDTH is wanted, e.g. {INFERENCE_NETWORKS[0]}")
        self.name, options, height, width = match.groups()
        self.size = (int(height), int(width))
        self.options = dict(option.split("=", 1) for option in options.split(",")) if options else {}
        self.label = self.name + "".join(f" {key} {value}" for key, value in self.options.items()) + f", {height}×{width}"
        self.stem = Path(folder) / re.sub(r"[^\w.]+", "_", text)
        self.build = Path(build)

    def arguments(self):
        """For bench_model and bench_train."""
        words = ["--model.network", self.name, "--size", f"{self.size[0]}x{self.size[1]}"]
        for key, value in self.options.items():
            words += [f"--model.{key}", value]
        return words

    def file(self, ending):
        return str(self.stem) + ending

    def make(self, int8=False):
        """Writes the model files that aren't there yet."""
        if self.options is not None:
            if int8:
                sys.exit(f"--network {self.text}: --precision int8 wants FILE.lead; leadline export --precision int8 calibrates "
                         "what a run has learned")
            subprocess.run([self.build / "tests/bin/bench_model", *self.arguments(), "--out", self.stem], check=True)
        elif int8 and not Path(self.file(".int8.lead")).exists():
            sys.exit(f"{self.file('.int8.lead')}: there is no such file; leadline export RUN --precision int8 writes it")
        if not Path(self.file(".onnx")).exists():
            sys.exit(f"{self.file('.onnx')}: there is no such file; leadline export RUN --format onnx writes it")
        if int8:
            quantize_onnx(self.file(".onnx"), self.file(".int8.onnx"))
            return
        convert(["mnnconvert", "-f", "ONNX", "--modelFile", self.file(".onnx"), "--MNNModel", self.file(".mnn"),
                 "--bizCode", "leadline"], self.stem.parent)
        shape = ",".join(map(str, input_shape(self.file(".onnx"))))
        convert(["pnnx", self.file(".onnx"), f"inputshape=[{shape}]", "fp16=0"], self.stem.parent)


def quantize_onnx(source, result):
    """ONNX Runtime's static quantisation, which OpenVINO reads too: bytes between, int8 weights per channel, ranges from
    the same input as is measured."""
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Inputs(quantization.CalibrationDataReader):
        def __init__(self):
            self.left = [{"input": random_input(source)}]

        def get_next(self):
            return self.left.pop() if self.left else None

    prepared = result + ".prepared"
    quant_pre_process(source, prepared, skip_symbolic_shape=True)
    quantization.quantize_static(prepared, result, Inputs(), quant_format=quantization.QuantFormat.QDQ, per_channel=True,
                                 activation_type=quantization.QuantType.QUInt8, weight_type=quantization.QuantType.QInt8)
    Path(prepared).unlink()


def convert(command, folder):
    """Runs a peer's converter from this Python's folder of programs; a peer without its file is left out later."""
    program = Path(sys.executable).parent / command[0]
    if program.exists():
        subprocess.run([program, *command[1:]], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


def input_shape(onnx_file):
    import onnx
    graph = onnx.load(onnx_file, load_external_data=False).graph
    return [d.dim_value for d in graph.input[0].type.tensor_type.shape.dim]


# ---- engines: load(network, threads) returns run(), which answers [N,C,H,W] flattened --------------------------------

class Leadline:
    """libleadline through tests/bench/bench_library.cpp."""

    def __init__(self, build, memory_limit=0, bf16=False, ending=".lead"):
        self.memory_limit, self.bf16, self.ending = memory_limit, bf16, ending
        self.library = ctypes.CDLL(str(next(Path(build).glob("lib/libleadline_bench.*"))))
        self.library.leadline_bench_open.restype = ctypes.c_void_p
        self.library.leadline_bench_isa.restype = ctypes.c_char_p
        floats = ctypes.POINTER(ctypes.c_float)
        self.library.leadline_bench_run.argtypes = [ctypes.c_void_p, floats, ctypes.c_size_t, floats, ctypes.c_size_t]

    def isa(self):
        return self.library.leadline_bench_isa().decode()

    def load(self, network, x, threads):
        import numpy as np
        error = ctypes.create_string_buffer(512)
        engine = self.library.leadline_bench_open(network.file(self.ending).encode(), threads,
                                                  ctypes.c_size_t(self.memory_limit), int(self.bf16), error, ctypes.c_size_t(len(error)))
        if not engine:
            raise RuntimeError(error.value.decode())
        source = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
        result = np.empty(x.shape[2] * x.shape[3], np.float32)  # one channel of the input's size: depth
        pointer = lambda a: a.ctypes.data_as(ctypes.POINTER(ctypes.c_float))

        def run():
            status = self.library.leadline_bench_run(engine, pointer(source), source.size, pointer(result), result.size)
            if status != 0:
                raise RuntimeError(f"leadline_run_raw: status {status}")
            return result
        return run


def load_onnxruntime(ending):
    def load(network, x, threads):
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(network.file(ending), options, providers=["CPUExecutionProvider"])
        return lambda: session.run(None, {"input": x})[0]
    return load


def load_openvino(precision, ending=".onnx"):
    def load(network, x, threads):
        import openvino
        config = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
        model = openvino.Core().compile_model(network.file(ending), "CPU", config)
        request = model.create_infer_request()
        return lambda: request.infer({0: x})[model.output(0)]
    return load


def load_ncnn(network, x, threads):
    import ncnn
    import numpy as np
    if not Path(network.file(".ncnn.param")).exists():
        raise RuntimeError("pnnx couldn't convert the network")
    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = net.opt.use_bf16_storage = False
    if net.load_param(network.file(".ncnn.param")) != 0 or net.load_model(network.file(".ncnn.bin")) != 0:
        raise RuntimeError("ncnn has not all layers of this network")

    def run():
        extractor = net.create_extractor()
        extractor.input("in0", ncnn.Mat(x[0]))
        return np.array(extractor.extract("out0")[1])
    return run


def load_mnn(network, x, threads):
    import MNN
    import MNN.expr as expr
    import numpy as np
    if not Path(network.file(".mnn")).exists():
        raise RuntimeError("mnnconvert couldn't convert the network")
    manager = MNN.nn.create_runtime_manager(({"backend": "CPU", "precision": "high", "numThread": threads},))
    net = MNN.nn.load_module_from_file(network.file(".mnn"), ["input"], ["output"], runtime_manager=manager)
    source = expr.placeholder(x.shape, expr.NCHW)
    source.write(x)
    return lambda: np.array(expr.convert(net.forward(source), expr.NCHW).read())


def load_torch(channels_last):
    """Eager PyTorch, node by node of the ONNX file."""
    def load(network, x, threads):
        import onnx
        import torch
        import torch.nn.functional as F
        from onnx import helper, numpy_helper
        torch.set_num_threads(threads)
        layout = torch.channels_last if channels_last else torch.contiguous_format
        graph = onnx.load(network.file(".onnx")).graph
        weights = {w.name: torch.from_numpy(numpy_helper.to_array(w).copy()) for w in graph.initializer}
        weights = {name: w.contiguous(memory_format=layout) if w.dim() == 4 else w for name, w in weights.items()}
        source = torch.from_numpy(x).contiguous(memory_format=layout)
        readers = {}
        for node in graph.node:
            for name in node.input:
                readers[name] = readers.get(name, 0) + 1

        def symmetric(attributes):
            top, left, bottom, right = attributes.get("pads", [0, 0, 0, 0])
            if (top, left) != (bottom, right):
                raise RuntimeError("torch: padding that differs from side to side")
            return (top, left)

        def operator(node):
            a = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
            alone = readers[node.input[0]] == 1 and node.input[0] != "input"  # nobody else reads it: in place
            scale = float(weights[node.input[1]]) if node.op_type in ("Mul", "Add") and len(node.input) > 1 and \
                node.input[1] in weights and weights[node.input[1]].numel() == 1 else None
            if node.op_type == "Conv":
                return lambda x, w, b=None: F.conv2d(x, w, b, a.get("strides", 1), symmetric(a), a.get("dilations", 1),
                                                     a.get("group", 1))
            if node.op_type == "ConvTranspose":
                return lambda x, w, b=None: F.conv_transpose2d(x, w, b, a["strides"], symmetric(a), a["output_padding"],
                                                               a["group"], a["dilations"])
            if node.op_type == "Resize":
                mode, corners = a["mode"].decode(), a["coordinate_transformation_mode"] == b"align_corners"
                return lambda x, *rest: F.interpolate(x, scale_factor=tuple(rest[1][2:].tolist()), mode="nearest") \
                    if mode == "nearest" else F.interpolate(x, scale_factor=tuple(rest[1][2:].tolist()), mode="bilinear",
                                                            align_corners=corners)
            if node.op_type == "MaxPool":
                return lambda x: F.max_pool2d(x, a["kernel_shape"], a["strides"], symmetric(a))
            simple = {"Relu": torch.relu_ if alone else torch.relu, "Sigmoid": torch.sigmoid, "Tanh": torch.tanh,
                      "Identity": lambda x: x, "Concat": lambda *x: torch.cat(x, 1), "HardSwish": F.hardswish,
                      "LeakyRelu": lambda x: F.leaky_relu(x, a["alpha"]), "Softplus": F.softplus,
                      "Erf": torch.erf, "Reshape": lambda x, shape: x.reshape(shape.tolist()),
                      "InstanceNormalization": lambda x, w, b: F.instance_norm(x, weight=w, bias=b, eps=a["epsilon"]),
                      "Elu": lambda x: F.elu(x, a["alpha"]), "Clip": lambda x, low, high: x.clamp(low, high),
                      "Mul": (lambda x, _: x * scale) if scale is not None else torch.mul,
                      "Add": (lambda x, _: x + scale) if scale is not None else torch.add}
            if node.op_type not in simple:
                raise RuntimeError(f"torch: no translation of {node.op_type}")
            return simple[node.op_type]

        operators = [(operator(node), list(node.input), node.output[0]) for node in graph.node]

        def run():
            values = {**weights, "input": source, "": None}
            with torch.inference_mode():
                for function, names, result in operators:
                    values[result] = function(*(values[name] for name in names))
            return values["output"].contiguous().numpy()
        return run
    return load


# name: package, how to load (ours: options), largest difference from the first engine that still counts as agreement
ENGINES = {
    "leadline": (None, {}, 1e-3),
    "leadline, least memory": (None, {"memory_limit": 1}, 1e-3),
    "leadline bf16": (None, {"bf16": True}, 1e-1),
    "leadline int8": (None, {"ending": ".int8.lead"}, 3e-1),  # of random weights, whose answers hardly vary
    "onnxruntime": ("onnxruntime", load_onnxruntime(".onnx"), 1e-3),
    "onnxruntime int8": ("onnxruntime", load_onnxruntime(".int8.onnx"), 3e-1),
    "openvino": ("openvino", load_openvino("f32"), 1e-3),
    "openvino bf16": ("openvino", load_openvino("bf16"), 1e-1),
    "openvino int8": ("openvino", load_openvino("f32", ".int8.onnx"), 3e-1),
    "ncnn": ("ncnn", load_ncnn, 1e-3),
    "mnn": ("MNN", load_mnn, 5e-3),
    "torch": ("torch", load_torch(False), 1e-3),
    "torch channels_last": ("torch", load_torch(True), 1e-3),
}


def load_engine(name, build):
    """Imports what the engine needs and returns its load function."""
    package, load, _ = ENGINES[name]
    if package is None:
        return Leadline(build, **load).load
    importlib.import_module(package)
    return load


def random_input(onnx_file):
    import numpy as np
    return np.random.default_rng(1).random(input_shape(onnx_file), dtype=np.float32)


def engines_of(precision):
    """What is compared by default: engines on bytes beside our floats, or all others."""
    on_bytes = [name for name in ENGINES if name.endswith(" int8")]
    return ["leadline", *on_bytes] if precision == "int8" else [name for name in ENGINES if name not in on_bytes]


# ---- measurements, each in a process of its own ----------------------------------------------------------------------

def peak_mib():
    """The most memory that this process ever had in RAM. (Not getrusage: that is inherited from the parent.)"""
    return int(re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text()).group(1)) / 1024


CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def spread(times):
    """min, median and half the distance from the 10th to the 90th percentile in parts of the median."""
    import numpy as np
    low, median, high = np.quantile(times, [0.1, 0.5, 0.9])
    return {"min": float(min(times)), "median": float(median), "spread": float((high - low) / 2 / median), "runs": len(times)}


def take_turns(engines, rounds, seconds, clock):
    """Times of each engine of {name: run}. Each round begins with another one."""
    names, times = list(engines), {name: [] for name in engines}
    for r in range(rounds):
        for name in names[r % len(names):] + names[:r % len(names)]:
            run = engines[name]
            time.sleep(0.02)  # threads of the one before go to sleep
            run()             # caches are this engine's again
            start = now = clock()
            while now - start < seconds or now == start:
                run()
                before, now = now, clock()
                times[name].append(now - before)
    return times


def measure_speed(task):
    import numpy as np
    network = Network(task["network"], task["build"], task["out"])
    x = random_input(network.file(".onnx"))
    runs, results, reference = {}, {}, None
    for name in task["engines"]:
        try:
            run = load_engine(name, task["build"])(network, x, task["threads"])
            y = np.asarray(run(), np.float32).ravel()
        except Exception as error:  # whatever keeps a peer from running this network is said in the table
            results[name] = {"failed": (str(error).splitlines() or [repr(error)])[0][:120]}
            continue
        reference = y.copy() if reference is None else reference
        difference = float(np.abs(y - reference).max() / np.abs(reference).max())
        results[name] = {"difference": difference}
        if difference <= ENGINES[name][2]:
            runs[name] = run
        else:
            results[name]["failed"] = f"another answer: differs by {difference:.1e} of the largest value"
    for name, times in take_turns(runs, task["rounds"], task["seconds"], CLOCKS[task["clock"]]).items():
        results[name].update(spread(times))
    return results


def measure_cold_start(task):
    import numpy  # in every process, also the empty one
    del numpy
    if task["engine"] is None:
        return {"peak_mib": peak_mib()}
    network = Network(task["network"], task["build"], task["out"])
    import numpy as np
    x = np.load(network.file(".input.npy"))
    load = load_engine(task["engine"], task["build"])
    clock = CLOCKS[task["clock"]]
    start = clock()
    run = load(network, x, task["threads"])
    loaded = clock()
    run()
    end = clock()
    return {"load": loaded - start, "first_run": end - loaded, "peak_mib": peak_mib()}


def in_fresh_process(kind, task):
    environment = dict(os.environ, OMP_NUM_THREADS=str(task.get("threads", 1)))
    process = subprocess.run([sys.executable, __file__, "--measure", kind, json.dumps(task)], env=environment,
                             capture_output=True, text=True, check=False)
    answer = [line for line in process.stdout.splitlines() if line.startswith("RESULT ")]
    if process.returncode < 0:
        return {"failed": f"crashed with signal {-process.returncode}"}
    if process.returncode != 0 or not answer:
        return {"failed": (process.stderr.strip().splitlines() or [f"exit status {process.returncode}"])[-1][:120]}
    return json.loads(answer[-1][len("RESULT "):])


# ---- inference -------------------------------------------------------------------------------------------------------

def median(values):
    return sorted(values)[len(values) // 2]


def inference(arguments):
    import numpy as np
    results = read_results(arguments)
    for text in arguments.network or INFERENCE_NETWORKS:
        network = Network(text, arguments.build, arguments.out)
        network.make(arguments.precision == "int8")
        np.save(network.file(".input.npy"), random_input(network.file(".onnx")))
        for threads in arguments.threads:
            task = {"network": text, "build": arguments.build, "out": arguments.out, "threads": threads,
                    "rounds": arguments.rounds, "seconds": arguments.seconds, "engines": arguments.engines,
                    "clock": arguments.clock}
            print(f"{network.label}, {threads} threads:", flush=True)
            # Fresh processes first: an engine that can't run this network at all, even one that crashes, stays alone.
            starts, empty, failed = {name: [] for name in arguments.engines}, [], {}
            for _ in range(max(1, arguments.cold_starts)):
                empty.append(in_fresh_process("cold_start", {"engine": None})["peak_mib"])
                for name in starts:
                    if name not in failed:
                        start = in_fresh_process("cold_start", dict(task, engine=name))
                        if "failed" in start:
                            failed[name] = start
                        else:
                            starts[name].append(start)
            able = [name for name in arguments.engines if name not in failed]
            table = in_fresh_process("speed", dict(task, engines=able))
            if "failed" in table:
                sys.exit(f"the process of {network.label} failed: {table['failed']}")
            for name, row in table.items():
                row["cold_start"] = median([v["load"] + v["first_run"] for v in starts[name]])
                row["peak_mib"] = median([v["peak_mib"] for v in starts[name]]) - median(empty)
            table.update(failed)
            for name, row in table.items():
                print("  " + (f"{name:20s} {row['failed']}" if "failed" in row else
                              f"{name:20s} median {row['median'] * 1e3:8.2f} ms  min {row['min'] * 1e3:8.2f}  ±{row['spread']:4.0%}"
                              f"  difference {row['difference']:.0e}  cold start {row.get('cold_start', 0) * 1e3:7.1f} ms"
                              f"  peak {row.get('peak_mib', 0):6.1f} MiB"), flush=True)
            results["inference"] = [r for r in results["inference"]
                                    if (r["network"], r["threads"]) != (network.label, threads)]
            results["inference"].append({"network": network.label, "threads": threads, "engines": table,
                                         "rounds": arguments.rounds, "clock": arguments.clock})
            write_results(arguments, results)
    report(arguments)


# ---- training --------------------------------------------------------------------------------------------------------

def torch_network(network):
    """Our network as PyTorch modules, for training."""
    import torch
    from torch import nn
    import torch.nn.functional as F

    def conv(ci, co, kernel=3, stride=1, groups=1):
        return [nn.Conv2d(ci, co, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(co), nn.ReLU(True)]

    class UNet(nn.Module):
        def __init__(self, base, levels):
            super().__init__()
            c = [base << level for level in range(levels + 1)]
            block = lambda ci, co: nn.Sequential(*conv(ci, co), *conv(co, co))
            self.down = nn.ModuleList(block(c[i - 1] if i else 3, c[i]) for i in range(levels + 1))
            self.up = nn.ModuleList(nn.ConvTranspose2d(c[i + 1], c[i], 2, 2) for i in range(levels))
            self.dec = nn.ModuleList(block(2 * c[i], c[i]) for i in range(levels))
            self.head = nn.Conv2d(base, 1, 1)

        def forward(self, x):
            skips = []
            for block in self.down[:-1]:
                x = block(x)
                skips.append(x)
                x = F.max_pool2d(x, 2)
            x = self.down[-1](x)
            for i in reversed(range(len(self.up))):
                x = self.dec[i](torch.cat([self.up[i](x), skips[i]], 1))
            return 0.1 + 9.9 * torch.sigmoid(self.head(x))

    class FastDepth(nn.Module):
        def __init__(self):
            super().__init__()
            separable = lambda ci, co, kernel, stride: nn.Sequential(*conv(ci, ci, kernel, stride, ci), *conv(ci, co, 1))
            channels = [32, 64, 128, 128, 256, 256] + [512] * 6 + [1024] * 2
            strides = {2: 2, 4: 2, 6: 2, 12: 2}
            self.encoder = nn.ModuleList([nn.Sequential(*conv(3, 32, 3, 2))])
            for i in range(1, 14):
                self.encoder.append(separable(channels[i - 1], channels[i], 3, strides.get(i, 1)))
            steps = [1024, 512, 256, 128, 64, 32]
            self.decoder = nn.ModuleList(separable(a, b, 5, 1) for a, b in zip(steps, steps[1:]))
            self.head = nn.Sequential(nn.Conv2d(32, 1, 1, bias=False), nn.BatchNorm2d(1))

        def forward(self, x):
            features = []
            for block in self.encoder:
                x = block(x)
                features.append(x)
            for block, skip in zip(self.decoder, [None, 5, 3, 1, None]):
                x = F.interpolate(block(x), scale_factor=2)
                x = x if skip is None else x + features[skip]
            return 0.1 + 9.9 * torch.sigmoid(self.head(x))

    known = {"unet": {"base_channels", "levels"}, "fastdepth": set()}
    if network.options is None or network.name not in known or set(network.options) - known[network.name]:
        sys.exit(f"{network.text}: PyTorch's side is written for unet (base_channels, levels) and fastdepth, with their "
                 "other options at the defaults")
    if network.name == "fastdepth":
        return FastDepth()
    return UNet(int(network.options.get("base_channels", 16)), int(network.options.get("levels", 4)))


TORCH_MODES = ["torch", "torch channels_last", "torch channels_last bf16"]


def torch_step(task, mode):
    import torch
    import torch.nn.functional as F
    torch.set_num_threads(task["threads"])
    torch.manual_seed(0)
    network = Network(task["network"], task["build"], task["out"])
    model = torch_network(network)
    x = torch.rand(task["batch"], 3, *network.size)
    y = torch.rand(task["batch"], 1, *network.size)
    if "channels_last" in mode:
        model = model.to(memory_format=torch.channels_last)
        x = x.contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters())

    def step():
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled="bf16" in mode):
            loss = F.mse_loss(model(x).float(), y)
        loss.backward()
        optimizer.step()
        return loss.item()
    return step


class LeadlineTraining:
    """bench_train in a process of its own, which sleeps until it is asked for steps."""

    def __init__(self, task):
        network = Network(task["network"], task["build"], task["out"])
        environment = dict(os.environ, OMP_PROC_BIND="false")  # and OpenMP's own waiting, as PyTorch has it
        self.process = subprocess.Popen(
            [Path(task["build"]) / "tests/bin/bench_train", *network.arguments(), "--batch", str(task["batch"]),
             "--threads", str(task["threads"]), "--clock", task["clock"], "--serve"], env=environment, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)
        ready = self.process.stdout.readline().split()
        if not ready or ready[0] != "ready":
            sys.exit("bench_train didn't start")
        self.empty_mib = float(ready[1])
        self.peak_mib = 0.0

    def step(self):
        """Seconds of one step."""
        self.process.stdin.write("1\n")
        self.process.stdin.flush()
        seconds, self.peak_mib = map(float, self.process.stdout.readline().split())
        return seconds


def measure_training(task):
    clock = CLOCKS[task["clock"]]
    ours = LeadlineTraining(task)
    steps = {}
    for mode in TORCH_MODES:
        step = torch_step(task, mode)
        step()

        def timed(step=step):
            start = clock()
            step()
            return clock() - start
        steps[mode] = timed
    steps["leadline"] = ours.step
    names, times = list(steps), {name: [] for name in steps}
    for r in range(task["rounds"]):
        for name in names[r % len(names):] + names[:r % len(names)]:
            time.sleep(0.3)  # OpenMP's threads stop spinning
            times[name].append(steps[name]())
    return {name: spread(values) for name, values in times.items()}


def measure_training_memory(task):
    if task["mode"] == "leadline":
        ours = LeadlineTraining(task)
        ours.step()
        ours.step()
        return {"peak_mib": ours.peak_mib - ours.empty_mib}
    importlib.import_module("torch")
    empty = peak_mib()
    step = torch_step(task, task["mode"])
    for _ in range(3):
        step()
    return {"peak_mib": peak_mib() - empty}


def train(arguments):
    results = read_results(arguments)
    for text in arguments.network or TRAINING_NETWORKS:
        network = Network(text, arguments.build, arguments.out)
        for batch in arguments.batch:
            for threads in arguments.threads:
                task = {"network": text, "build": arguments.build, "out": arguments.out, "threads": threads,
                        "batch": batch, "rounds": arguments.rounds, "clock": arguments.clock}
                print(f"training {network.label}, batch {batch}, {threads} threads:", flush=True)
                table = in_fresh_process("training", task)
                if "failed" in table:
                    sys.exit(f"the process failed: {table['failed']}")
                for name, row in table.items():
                    memory = in_fresh_process("training_memory", dict(task, mode=name))
                    row["peak_mib"] = memory.get("peak_mib", 0)
                    print(f"  {name:26s} {batch / row['median']:7.2f} images/s  best {batch / row['min']:7.2f}  ±{row['spread']:4.0%}"
                          f"  peak {row['peak_mib']:7.1f} MiB", flush=True)
                key = (network.label, batch, threads)
                results["train"] = [r for r in results["train"] if (r["network"], r["batch"], r["threads"]) != key]
                results["train"].append({"network": network.label, "batch": batch, "threads": threads, "engines": table,
                                         "rounds": arguments.rounds, "clock": arguments.clock})
                write_results(arguments, results)
    report(arguments)


# ---- results ---------------------------------------------------------------------------------------------------------

def machine(build):
    cpu = Path("/proc/cpuinfo").read_text()
    name = re.search(r"model name\s*:\s*(.*)", cpu)
    flags = re.search(r"flags\s*:\s*(.*)", cpu)
    interesting = [f for f in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16") if flags and f in flags.group(1).split()]
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            pass
    return {"cpu": name.group(1) if name else "unknown", "cores": os.cpu_count(), "features": interesting,
            "leadline_isa": Leadline(build).isa(), "versions": versions, "python": sys.version.split()[0],
            "date": time.strftime("%Y-%m-%d"), "load": os.getloadavg()[0]}


def results_file(arguments):
    return Path(arguments.out) / "results.json"


def read_results(arguments):
    """What earlier runs left; those of another machine are refused."""
    file = results_file(arguments)
    results = json.loads(file.read_text()) if file.exists() else {"inference": [], "train": []}
    here = machine(arguments.build)
    if "machine" in results and results["machine"]["cpu"] != here["cpu"]:
        sys.exit(f"{file} is from another machine ({results['machine']['cpu']}). Take another --out.")
    results["machine"] = here
    return results


def write_results(arguments, results):
    file = results_file(arguments)
    part = file.with_suffix(".part")
    part.write_text(json.dumps(results, indent=1))
    part.rename(file)


def machine_text(results):
    m = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in m["versions"].items()
                         if name not in ("numpy", "matplotlib", "onnx", "pnnx"))
    return (f"{m['cpu']}, {m['cores']} cores ({', '.join(m['features'])}), Leadline's level {m['leadline_isa']}; {versions}; "
            f"{m['date']}")


def markdown(results):
    lines = [machine_text(results) + ".", ""]
    for r in results["inference"]:
        ours = r["engines"].get("leadline", {}).get("median")
        lines += [f"{r['network']}, {r['threads']} thread{'s' if r['threads'] > 1 else ''} (median, min and spread of "
                  f"{r['rounds']} rounds in turns{'; processor time' if r.get('clock') == 'cpu' else ''}):", "",
                  "| | median ms | min ms | spread | relative to Leadline | cold start ms | peak MiB |",
                  "|---|---:|---:|---:|---:|---:|---:|"]
        for name, row in sorted(r["engines"].items(), key=lambda item: item[1].get("median", 1e9)):
            if "median" not in row:
                lines.append(f"| {name} | {row['failed']} | | | | | |")
                continue
            number = lambda key, scale: f"{row[key] * scale:.1f}" if key in row else ""
            ratio = f"{row['median'] / ours:.2f}×" if ours else ""
            lines.append(f"| {name} | {row['median'] * 1e3:.2f} | {row['min'] * 1e3:.2f} | ±{row['spread']:.0%} | {ratio} | "
                         f"{number('cold_start', 1e3)} | {number('peak_mib', 1)} |")
        lines.append("")
    for r in results["train"]:
        ours = r["engines"]["leadline"]["median"]
        lines += [f"Training step (forward, MSE, backward, Adam), {r['network']}, batch {r['batch']}, {r['threads']} "
                  f"thread{'s' if r['threads'] > 1 else ''} ({r['rounds']} rounds in turns{'; processor time' if r.get('clock') == 'cpu' else ''}):", "",
                  "| | images/s | best | spread | time relative to Leadline | peak MiB |", "|---|---:|---:|---:|---:|---:|"]
        for name, row in sorted(r["engines"].items(), key=lambda item: item[1]["median"]):
            lines.append(f"| {name} | {r['batch'] / row['median']:.2f} | {r['batch'] / row['min']:.2f} | ±{row['spread']:.0%} | "
                         f"{row['median'] / ours:.2f}× | {row['peak_mib']:.0f} |")
        lines.append("")
    return "\n".join(lines)


def summary(results):
    """The same for a README: engines down, networks and threads across; the best of each column in bold."""
    def table(runs, head, cell, best):
        runs = list(runs)
        if not runs:
            return []
        names = list(dict.fromkeys(name for r in runs for name in r["engines"]))
        lines = ["| | " + " | ".join(head(r) for r in runs) + " |", "|---|" + "---:|" * len(runs)]
        for name in names:
            cells = []
            for r in runs:
                row = r["engines"].get(name, {})
                first = min((n for n in r["engines"] if "median" in r["engines"][n]), key=lambda n: best(r["engines"][n], r))
                text = cell(row, r) if "median" in row else "–"
                cells.append(f"**{text}**" if name == first else text)
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
        return lines + [""]

    threads = lambda r: f"{r['threads']} thread{'s' if r['threads'] > 1 else ''}"
    inference_head = lambda r: f"{r['network']}, {threads(r)}"
    number = lambda row, key, scale, unit: f"{row[key] * scale:.0f}{unit}" if key in row else "–"
    lines = table(results["inference"], inference_head,
                  lambda row, r: f"{row['median'] * 1e3:.1f} ms (min {row['min'] * 1e3:.1f}, ±{row['spread']:.0%})",
                  lambda row, r: row["median"])
    one_thread = [r for r in results["inference"] if r["threads"] == min(q["threads"] for q in results["inference"])]
    if one_thread:
        lines += ["Cold start (file to first depth) and peak memory (less that of an empty Python):", ""]
        lines += table(one_thread, inference_head,
                       lambda row, r: f"{number(row, 'cold_start', 1e3, ' ms')}, {number(row, 'peak_mib', 1, ' MiB')}",
                       lambda row, r: row.get("cold_start", 1e9))
    if results["train"]:
        lines += ["Training step (forward, MSE, backward, Adam), images/s and peak memory:", ""]
        lines += table(results["train"], lambda r: f"{r['network']}, batch {r['batch']}, {threads(r)}",
                       lambda row, r: f"{r['batch'] / row['median']:.2f} (±{row['spread']:.0%}), {row['peak_mib']:.0f} MiB",
                       lambda row, r: row["median"])
    rounds = sorted({r["rounds"] for r in results["inference"] + results["train"]})
    return "\n".join(lines + [f"Median, minimum and spread of {' or '.join(map(str, rounds))} rounds in turns; {machine_text(results)}; "
                              "`tests/bench/peers.py` measures it again."])


README_BEGIN, README_END = "<!-- peers.py report: begin -->", "<!-- peers.py report: end -->"


def update_readme(file, results):
    """Replaces what stands between the two marks."""
    text = Path(file).read_text()
    if text.count(README_BEGIN) != 1 or text.count(README_END) != 1:
        sys.exit(f"{file} must have one line {README_BEGIN} and one line {README_END}: what is between them is replaced")
    before, rest = text.split(README_BEGIN)
    Path(file).write_text(f"{before}{README_BEGIN}\n{summary(results)}\n{README_END}{rest.split(README_END)[1]}")
    print(f"{file}: updated")


def plot(results, kind, file):
    """Bars of each engine, one panel for each network; thread counts side by side, whiskers from min to median + spread."""
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    panels = {}
    for r in results[kind]:
        panels.setdefault(r["network"] + (f", batch {r['batch']}" if kind == "train" else ""), []).append(r)
    if not panels:
        return
    figure, axes = pyplot.subplots(1, len(panels), figsize=(6 * len(panels), 3.8), squeeze=False)
    for axis, (title, runs) in zip(axes[0], panels.items()):
        runs = sorted(runs, key=lambda r: r["threads"])
        names = [n for n, row in runs[0]["engines"].items() if "median" in row]
        names.sort(key=lambda n: -runs[0]["engines"][n]["median"])
        height = 0.8 / len(runs)
        for k, r in enumerate(runs):
            rows = [r["engines"].get(n, {}) for n in names]
            # images per second where more is better, milliseconds where less is
            value = (lambda s: r["batch"] / s) if kind == "train" else (lambda s: s * 1e3)
            values = [value(row["median"]) if "median" in row else 0 for row in rows]
            ends = [sorted((value(row["min"]), value(row["median"] * (1 + row["spread"])))) if "median" in row else (0, 0)
                    for row in rows]
            whiskers = [[max(0, v - e[0]) for v, e in zip(values, ends)], [max(0, e[1] - v) for v, e in zip(values, ends)]]
            places = [i + (0.5 - (k + 0.5) / len(runs)) * 0.8 for i in range(len(names))]
            shade = 1 - 0.35 * k
            colours = [(0.10 * shade, 0.45 * shade, 0.70 * shade) if n.startswith("leadline") else (0.62 * shade,) * 3 for n in names]
            axis.barh(places, values, height * 0.92, xerr=whiskers, color=colours, ecolor="0.2", error_kw={"linewidth": 0.8},
                      label=f"{r['threads']} thread{'s' if r['threads'] > 1 else ''}")
            for place, v, e in zip(places, values, ends):
                axis.text(max(v, e[1]), place, f" {v:.1f}", va="center", fontsize=7)
        axis.set_yticks(range(len(names)), names, fontsize=8)
        axis.set_title(title, fontsize=9)
        axis.set_xlabel("images/s (more is better)" if kind == "train" else "ms (less is better)", fontsize=8)
        axis.margins(x=0.12)
        if len(runs) > 1:
            axis.legend([f"{r['threads']} thread{'s' if r['threads'] > 1 else ''}" for r in runs], fontsize=7, frameon=False)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
    figure.text(0.01, 0.005, machine_text(results), fontsize=5)
    figure.tight_layout(rect=(0, 0.03, 1, 1))
    figure.savefig(file, dpi=150)


def report(arguments):
    results = json.loads(results_file(arguments).read_text())
    table = Path(arguments.out) / "table.md"
    table.write_text(markdown(results))
    for kind in ("inference", "train"):
        plot(results, kind, Path(getattr(arguments, "plots", None) or arguments.out) / f"{kind}.png")
    print(f"{table} and plots")
    if getattr(arguments, "readme", None):
        update_readme(arguments.readme, results)


# ---- command line ----------------------------------------------------------------------------------------------------

def install(arguments):
    venv = Path(arguments.folder)
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    for package in PACKAGES:
        if package in arguments.without:
            continue
        print(f"pip install {package}", flush=True)
        done = subprocess.run([venv / "bin/pip", "install", "--quiet", package], check=False)
        if done.returncode != 0:
            print(f"{package} couldn't be installed; comparisons leave it out", flush=True)


def enter(venv):
    """Goes on in the virtual environment's Python."""
    python = Path(venv) / "bin/python"
    if not python.exists():
        sys.exit(f"--venv: there is no {python}; `peers.py install {venv}` makes it")
    if Path(sys.prefix).resolve() == Path(venv).resolve():
        return
    # MNN's library wants an executable stack, which newer C libraries refuse unless told otherwise.
    os.environ["GLIBC_TUNABLES"] = "glibc.rtld.execstack=2"
    os.execv(python, [str(python), *sys.argv])


def main():
    measurements = {"speed": measure_speed, "cold_start": measure_cold_start, "training": measure_training,
                    "training_memory": measure_training_memory}
    if len(sys.argv) == 4 and sys.argv[1] == "--measure":  # a fresh process of ours
        print("\nRESULT " + json.dumps(measurements[sys.argv[2]](json.loads(sys.argv[3]))))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    numbers = lambda text: [int(n) for n in text.split(",")]
    words = lambda text: [w for w in text.split(",") if w]
    command = commands.add_parser("install")
    command.add_argument("folder")
    command.add_argument("--without", type=words, default=[], help="packages to leave out, e.g. torch,pnnx")
    for name in ("inference", "train"):
        command = commands.add_parser(name)
        command.add_argument("--venv", required=True)
        command.add_argument("--out", required=True, help="folder for models, results.json, table and plots")
        command.add_argument("--build", default=str(Path(__file__).resolve().parents[2] / "build"))
        command.add_argument("--network", action="append", help="may be given several times")
        command.add_argument("--threads", type=numbers, default=[1, 2])
        command.add_argument("--clock", choices=list(CLOCKS), default="wall",
                             help="cpu: time that all threads of an engine worked, for busy machines and 1 thread")
        command.add_argument("--rounds", type=int, default=10 if name == "train" else 20)
        if name == "inference":
            command.add_argument("--seconds", type=float, default=0.2, help="of one engine's turn")
            command.add_argument("--precision", choices=["f32", "int8"], default="f32", help="int8: engines on bytes")
            command.add_argument("--engines", type=words, help=", ".join(ENGINES))
            command.add_argument("--cold-starts", type=int, default=3)
        else:
            command.add_argument("--batch", type=numbers, default=[4])
    command = commands.add_parser("report")
    command.add_argument("out")
    command.add_argument("--venv", help="with matplotlib")
    command.add_argument("--readme", help=f"file in which to replace what is between {README_BEGIN} and {README_END}")
    command.add_argument("--plots", help="another folder for the plots")
    arguments = parser.parse_args()
    if arguments.command == "inference":
        arguments.engines = arguments.engines or engines_of(arguments.precision)
    if unknown := set(getattr(arguments, "engines", [])) - set(ENGINES):
        sys.exit(f"--engines: there is no {', '.join(sorted(unknown))}; known: {', '.join(ENGINES)}")
    if getattr(arguments, "venv", None):
        enter(arguments.venv)
    if hasattr(arguments, "build"):
        Path(arguments.out).mkdir(parents=True, exist_ok=True)
        arguments.out, arguments.build = str(Path(arguments.out).resolve()), str(Path(arguments.build).resolve())
    {"install": install, "inference": inference, "train": train, "report": report}[arguments.command](arguments)


if __name__ == "__main__":
    main()
