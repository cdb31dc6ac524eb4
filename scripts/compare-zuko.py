"""Trains flows of Cuflow and of zuko on the same rows of tables with the same steps, batch, rate and averaging, and prints held-out nats per
row with their standard errors, as a table in Markdown. Lower is better. Every row of the test is scored by all, so that differences
between two models of a row are known far better than either: a second table has them.

    python3 scripts/compare-zuko.py OUT [--data sachs,letters,tycho2,two-moons] [--steps 300] [--batch 512] [--lr 1e-3] [--train bin/train]

Needs PyTorch, zuko and NumPy (the environment of scripts/peers has them), bin/train, and the tables of scripts/data. Everything is left in
OUT: rows, runs and scores; what is there already is not done again.
"""

import argparse
import csv
import importlib.metadata
import math
import pathlib
import subprocess
import sys
import time

import numpy as np
import torch

ROOT = pathlib.Path(__file__).resolve().parent.parent
WARMUP, CLIP, AVERAGING = 100, 5.0, 0.99

# Ours by preset; gmm-2d is 16 Gaussians with full covariances, fitted by EM, and takes no steps.
OURS = ["maf-tab", "nsf-tab", "realnvp-tab", "gmm-2d"]
# zuko's with the depth and width of maf-tab and nsf-tab, as its documentation builds them.
ZUKO = {
    "zuko MAF": ("MAF", dict(transforms=5, hidden_features=(512, 512))),
    "zuko NSF": ("NSF", dict(bins=8, transforms=10, passes=2, hidden_features=(256,) * 4)),
}


def moons(n, rng):
    """scikit-learn's half circles with uniform angles and noise 0.1."""
    t, lower = math.pi * rng.random(n), rng.random(n) < 0.5
    x = np.where(lower, 1 - np.cos(t), np.cos(t))
    y = np.where(lower, 0.5 - np.sin(t), np.sin(t))
    return np.stack([x, y], 1) + 0.1 * rng.standard_normal((n, 2))


def table(name, rng):
    """All rows, in an order by chance; columns that are multiples of a step get uniform noise of one, once and for all. Proper motions of
    stars, a few of which are hundreds of standard deviations away, are asinh(v / 10 mas); colours beyond -1 to 4 are errors of measurement,
    and one of them among 50,000 can be all that a mean tells."""
    if name == "two-moons":
        return moons(151_000, rng)
    if name == "tycho2":
        columns = np.load(ROOT / "data/tycho2/tycho2.npz")
        steps = dict(ra=0, dec=0, pmra=0.1, pmdec=0.1, mag=0.01, bv=0.01)
        x = np.stack([columns[c] for c in steps], 1)
        x += np.array(list(steps.values())) * rng.random(x.shape)
        x[:, 2:4] = np.arcsinh(x[:, 2:4] / 10)
        return rng.permutation(x[abs(x[:, 5] - 1.5) < 2.5])
    else:
        x = np.loadtxt(ROOT / f"data/{name}/{name}.csv", delimiter=",", skiprows=1)
        steps = 1.0 if name == "letters" else 0.0
    return rng.permutation(x + steps * rng.random(x.shape))


def rows(name, path):
    """The split: a tenth, at most 50,000, to test with; at most 1,000 are left to those who validate; at most a million to train on."""
    if not path.exists():
        x = table(name, np.random.default_rng(1)).astype(np.float32)
        test = min(len(x) // 10, 50_000)
        val = min(len(x) // 20, 1_000)
        np.savez(path, x_test=x[:test], x_val=x[test:test + val], x_train=x[test + val:][:1_000_000])
    return np.load(path)


def ours(preset, data, run, o):
    """-log p of the test's rows."""
    if not run.exists():
        flags = [] if preset == "gmm-2d" else [
            "--steps", o.steps, "--batch", o.batch, "--lr", o.lr, "--schedule", "cosine", "--warmup", WARMUP, "--clip", CLIP,
            "--ema", AVERAGING, "--patience", 0, "--eval-every", 0, "--checkpoint-every", 0]
        if preset == "maf-tab":
            flags += ["--norm", "none"]  # as zuko's
        call(o.train, "--preset", preset, "--data", data, "--quantum", "none", "--samples", 100, "--out", run, *flags)
    scores = run / "scores.csv"
    if not scores.exists():
        call(o.train, "score", run, "test", "--csv", scores)
    with open(scores, newline="") as f:
        return -np.array([float(row["logp"]) for row in csv.DictReader(f)])


def call(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"scripts/compare-zuko.py: {' '.join(map(str, command))} failed: {done.stderr.strip()}")


def zuko_nats(kind, options, parts, path, o):
    """-log p of the test's rows."""
    if path.exists():
        return np.load(path)
    import zuko

    train, test = torch.from_numpy(parts["x_train"]), torch.from_numpy(parts["x_test"])
    mean, std = train.double().mean(0).float(), train.double().std(0, correction=0).float()
    train, test = (train - mean) / std, (test - mean) / std
    torch.manual_seed(1)
    model = getattr(zuko.flows, kind)(features=train.shape[1], **options)
    adam = torch.optim.Adam(model.parameters(), lr=o.lr, fused=True)
    averaged = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(AVERAGING))
    order = torch.randperm(len(train))
    for step in range(1, o.steps + 1):
        for g in adam.param_groups:
            g["lr"] = o.lr * (step / WARMUP if step <= WARMUP else 0.5 * (1 + math.cos(math.pi * (step - WARMUP) / (o.steps - WARMUP))))
        at = (step - 1) * o.batch % (len(train) - o.batch + 1)
        if at < o.batch:
            order = torch.randperm(len(train))
        loss = -model().log_prob(train[order[at:at + o.batch]]).mean()
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        adam.step()
        averaged.update_parameters(model)
    with torch.no_grad():
        flow = averaged.module()
        nats = torch.cat([-flow.log_prob(part) for part in test.split(2048)]).double() + std.double().log().sum()
    np.save(path, nats.numpy())
    return nats.numpy()


def mean_of(v):
    return f"{v.mean():.3f} ± {v.std(ddof=1) / math.sqrt(len(v)):.3f}"


def print_table(first, columns, lines):
    print("\n| " + " | ".join([first, *columns]) + " |\n|" + "---|" * (1 + len(columns)))
    for name, cells in lines.items():
        print("| " + " | ".join([name, *cells]) + " |")
    print(flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out", type=pathlib.Path)
    p.add_argument("--data", default="sachs,letters,tycho2,two-moons")
    p.add_argument("--steps", type=int, default=300)
    p.add_argument("--batch", type=int, default=512)
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--train", type=pathlib.Path, default=ROOT / "bin/train")
    o = p.parse_args()
    o.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(2)
    print(f"zuko {importlib.metadata.version('zuko')}, PyTorch {torch.__version__}", file=sys.stderr)

    nats, pairs = {}, {}
    for name in o.data.split(","):
        data = o.out / f"{name}.npz"
        parts = rows(name, data)
        of = {}
        for model in [*OURS, *ZUKO]:
            began = time.perf_counter()
            slug = model.replace(" ", "-").lower()
            if model in ZUKO:
                of[model] = zuko_nats(*ZUKO[model], parts, o.out / f"{slug}-{name}.npy", o)
            else:
                of[model] = ours(model, data, o.out / f"{slug}-{name}", o)
            print(f"{name} {model}: {mean_of(of[model])}, {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
        nats[name] = [mean_of(v) for v in of.values()]
        pairs[name] = [mean_of(of["maf-tab"] - of["zuko MAF"]), mean_of(of["nsf-tab"] - of["zuko NSF"])]
    print_table("data", [*[f"`{m}`" for m in OURS], *ZUKO], nats)
    print_table("data", ["`maf-tab` less zuko MAF", "`nsf-tab` less zuko NSF"], pairs)


main()
