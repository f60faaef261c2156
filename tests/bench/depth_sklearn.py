#!/usr/bin/env python3
"""Which of scikit-learn's models learns depth from a small picture: ridge regression, nearest neighbours, a random
forest, an MLP, beside the mean depth of each cell. The table in trainer/docs/mlp.md is what it prints.

    pip install scikit-learn pillow
    python depth_sklearn.py TRAIN_LIST VAL_LIST [SEED]

A list has lines "image depth metres_per_unit", paths relative to the list, as `pairs:LIST` of the data commands. The
task is that of `leadline mlp depth`: 24x32 colours in, the logarithm of depth on 12x16 cells out; cells without a
measurement get the mean of the training set's. Metrics as protocol raw: means of the frames' own, up to 10 m.
"""
import sys, time, warnings
from pathlib import Path
import numpy as np
from PIL import Image
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

warnings.filterwarnings("ignore")
IMAGE, CELLS, SCORED = (24, 32), (12, 16), (120, 160)
seed = int(sys.argv[3]) if len(sys.argv) > 3 else 0


def area_mean(values, weights, size):
    """Weighted means over a grid of size[0] x size[1] cells; NaN where a cell weighs nothing."""
    rows = np.arange(values.shape[0]) * size[0] // values.shape[0]
    columns = np.arange(values.shape[1]) * size[1] // values.shape[1]
    cell = rows[:, None] * size[1] + columns
    total = np.bincount(cell.ravel(), (values * weights).ravel(), size[0] * size[1])
    weight = np.bincount(cell.ravel(), weights.ravel(), size[0] * size[1])
    return np.where(weight > 0, total / np.maximum(weight, 1e-9), np.nan).reshape(size)


def read(list_file):
    images, cells, truths = [], [], []
    for line in Path(list_file).read_text().splitlines():
        if not line.strip() or line.startswith("#"): continue
        image, depth, unit = line.split()
        rgb = np.asarray(Image.open(Path(list_file).parent / image).convert("RGB").resize(IMAGE[::-1], Image.BOX), np.float64) / 255
        metres = np.asarray(Image.open(Path(list_file).parent / depth), np.float64) * float(unit)
        valid = (metres > 0).astype(float)
        images.append(rgb.ravel())
        cells.append(area_mean(np.log(np.maximum(metres, 1e-3)), valid, CELLS))
        y = (np.arange(SCORED[0]) * 2 + 1) * metres.shape[0] // (2 * SCORED[0])
        x = (np.arange(SCORED[1]) * 2 + 1) * metres.shape[1] // (2 * SCORED[1])
        truths.append(metres[y][:, x])
    return np.array(images), np.array(cells), np.array(truths)


def metrics(log_depth, truths):
    rows = []
    for prediction, t in zip(log_depth.reshape(-1, *CELLS), truths):
        p = np.asarray(Image.fromarray(prediction.astype(np.float32)).resize(SCORED[::-1], Image.BILINEAR), np.float64)
        p = np.clip(np.exp(p), 1e-3, 10)
        valid = (t > 1e-3) & (t < 10)
        if not valid.any(): continue
        p, t = p[valid], t[valid]
        d = np.log(p) - np.log(t)
        rows.append([np.mean(np.maximum(p / t, t / p) < 1.25), np.mean(np.abs(p - t) / t), np.sqrt(np.mean((p - t) ** 2)), np.sqrt(np.mean(d * d))])
    return np.mean(rows, axis=0)


X, cells, _ = read(sys.argv[1])
Xv, _, truths = read(sys.argv[2])
mean = np.nanmean(cells, axis=0)
mean = np.where(np.isnan(mean), np.nanmean(cells), mean)
y = np.where(np.isnan(cells), mean, cells).reshape(len(cells), -1)
print(f"{len(X)} frames to fit, {len(Xv)} to score; {X.shape[1]} features, {y.shape[1]} targets\n")
print("| model | delta1 | abs_rel | rmse | rmse_log | fit s | predict ms a frame |\n|---|---|---|---|---|---|---|")
models = {
    "mean depth of each cell": None,
    "Ridge(alpha=1000)": make_pipeline(StandardScaler(), Ridge(1000)),
    "PCA(100), Ridge(alpha=100)": make_pipeline(StandardScaler(), PCA(100, random_state=seed), Ridge(100)),
    "KNeighborsRegressor(1)": make_pipeline(StandardScaler(), KNeighborsRegressor(1)),
    "KNeighborsRegressor(5, distance)": make_pipeline(StandardScaler(), KNeighborsRegressor(5, weights="distance")),
    "RandomForestRegressor(100, max_features=0.1)": RandomForestRegressor(100, max_features=0.1, random_state=seed, n_jobs=1),
    "MLPRegressor((100,)), default": make_pipeline(StandardScaler(), MLPRegressor(random_state=seed)),
    "MLPRegressor((256,), alpha=1)": make_pipeline(StandardScaler(), MLPRegressor(hidden_layer_sizes=(256,), alpha=1, max_iter=100, random_state=seed)),
    "PCA(100), MLPRegressor((256,), alpha=1)": make_pipeline(StandardScaler(), PCA(100, whiten=True, random_state=seed), MLPRegressor(hidden_layer_sizes=(256,), alpha=1, max_iter=100, random_state=seed)),
}
for name, model in models.items():
    start = time.perf_counter()
    if model is not None: model.fit(X, y)
    fit = time.perf_counter() - start
    start = time.perf_counter()
    prediction = np.tile(mean.ravel(), (len(Xv), 1)) if model is None else model.predict(Xv)
    each = (time.perf_counter() - start) / len(Xv) * 1e3
    print(f"| {name} | " + " | ".join(f"{m:.3f}" for m in metrics(prediction, truths)) + f" | {fit:.1f} | {each:.2f} |", flush=True)
