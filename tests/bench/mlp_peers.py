#!/usr/bin/env python3
"""`leadline mlp fit` beside scikit-learn's MLPClassifier on the digits: whole fits in pairs, and accuracies over seeds.

    pip install scikit-learn threadpoolctl
    python mlp_peers.py speed build/bin/leadline [PAIRS]
    python mlp_peers.py cpu build/bin/leadline [PAIRS]
    python mlp_peers.py accuracy build/bin/leadline [SEEDS]

speed: fits alternate, scikit-learn at the faster of 1 and 2 threads (tried first), Leadline with 1 thread and with 2;
times are medians, the ratio that of the medians. Same rows, same float64, same number of epochs. Leadline's time is the
one that it prints for the fit; scikit-learn's is that of fit(). cpu: for busy machines; CPU seconds of one thread each,
without those of a fit of one epoch, which takes start-up and reading away on both sides; float64 and float32. accuracy: stratified 80/20 splits by the same seeds.
"""
import re, resource, statistics, subprocess, sys, tempfile, time, warnings
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

warnings.filterwarnings("ignore")
mode, leadline = sys.argv[1], sys.argv[2]
count = int(sys.argv[3]) if len(sys.argv) > 3 else 5
digits = load_digits()


def split(seed):
    return train_test_split(digits.data / 16, digits.target, test_size=0.2, random_state=seed, stratify=digits.target)


def ours(seed, threads=1, **params):
    with tempfile.TemporaryDirectory() as folder:
        command = [leadline, "mlp", "fit", "--data", "digits", "--out", folder + "/run", "--random_state", str(seed), "--threads", str(threads)]
        for name, value in params.items():
            command += [f"--{name}", ",".join(map(str, value)) if isinstance(value, tuple) else str(value).lower()]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return float(re.search(r"accuracy (\S+)", text)[1]), float(re.search(r"fitted in (\S+) s", text)[1]), int(re.search(r", (\d+) (?:epochs|iterations)", text)[1])


def theirs(seed, threads=1, dtype="float64", **params):
    X, Xt, y, yt = split(seed)
    X, Xt = X.astype(dtype), Xt.astype(dtype)
    with threadpool_limits(threads):
        start = time.perf_counter()
        model = MLPClassifier(random_state=seed, **params).fit(X, y)
        seconds = time.perf_counter() - start
    return model.score(Xt, yt), seconds, model.n_iter_


def cpu_seconds(fit, **params):
    def used():
        return sum(t for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN) for t in resource.getrusage(who)[:2])
    times = []
    for more in ({}, dict(max_iter=1)):
        start = used()
        fit(0, **params, **more)
        times.append(used() - start)
    return times[0] - times[1]


if mode == "cpu":
    print("| hidden | solver | dtype | scikit-learn CPU s | Leadline CPU s | ratio |\n|---|---|---|---|---|---|")
    for hidden in ((100,), (16,)):
        for solver in ("adam", "sgd", "lbfgs"):
            for dtype in ("float64", "float32"):
                params = dict(hidden_layer_sizes=hidden, solver=solver, dtype=dtype)
                pairs = [(cpu_seconds(theirs, **params), cpu_seconds(ours, **params)) for _ in range(count)]
                a, b = (statistics.median(times) for times in zip(*pairs))
                print(f"| {hidden} | {solver} | {dtype} | {a:.3f} | {b:.3f} | {a / b:.1f} |", flush=True)
elif mode == "speed":
    print("| hidden | solver | scikit-learn s (threads) | 1 thread s | ratio | 2 threads s | ratio |\n|---|---|---|---|---|---|---|")
    for hidden in ((100,), (16,)):
        for solver in ("adam", "sgd", "lbfgs"):
            params = dict(hidden_layer_sizes=hidden, solver=solver)
            threads = min((1, 2), key=lambda t: min(theirs(0, t, **params, max_iter=20)[1] for _ in range(2)))
            times = {"theirs": [], 1: [], 2: []}
            for _ in range(count):
                times["theirs"].append(theirs(0, threads, **params)[1])
                for t in (1, 2): times[t].append(ours(0, t, **params)[1])
            m = {k: statistics.median(v) for k, v in times.items()}
            print(f"| {hidden} | {solver} | {m['theirs']:.3f} ({threads}) | {m[1]:.3f} | {m['theirs'] / m[1]:.1f} | {m[2]:.3f} | {m['theirs'] / m[2]:.1f} |", flush=True)
else:
    print("| solver and parameters | scikit-learn | Leadline | epochs, scikit-learn | Leadline |\n|---|---|---|---|---|")
    cases = [dict(solver="adam"), dict(solver="adam", learning_rate_init=0.01), dict(solver="adam", hidden_layer_sizes=(128, 64)),
             dict(solver="adam", early_stopping=True), dict(solver="sgd"), dict(solver="sgd", learning_rate_init=0.01), dict(solver="sgd", learning_rate_init=0.1),
             dict(solver="sgd", learning_rate_init=0.1, learning_rate="adaptive"), dict(solver="sgd", learning_rate_init=0.5, learning_rate="invscaling"),
             dict(solver="lbfgs"), dict(solver="lbfgs", hidden_layer_sizes=(16,)), dict(solver="lbfgs", hidden_layer_sizes=(16,), alpha=1)]
    for params in cases:
        a, b = [theirs(s, **params) for s in range(count)], [ours(s, **params) for s in range(count)]
        score = lambda r: f"{statistics.mean(x[0] for x in r):.4f} ± {statistics.pstdev(x[0] for x in r):.4f}"
        epochs = lambda r: f"{min(x[2] for x in r)}–{max(x[2] for x in r)}"
        print(f"| {', '.join(f'{k} {v}' for k, v in params.items())} | {score(a)} | {score(b)} | {epochs(a)} | {epochs(b)} |", flush=True)
