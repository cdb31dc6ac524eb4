"""Trains other people's RealNVP on the two moons of `train --preset realnvp-2d`, with its batch, steps and learning rates, and prints held-out
nats on 50,000 samples beside the true density's, and the seconds of training.

    python3 scripts/moons.py PEERS.py [SETTING...]      # a program that defines Chain, Coupling and nf_realnvp; needs PyTorch and normflows
"""

import importlib.util
import math
import sys
import time

import torch


def moons(n):
    """scikit-learn's half circles with uniform angles and noise 0.1."""
    t = math.pi * torch.rand(n)
    lower = torch.rand(n) < 0.5
    x = torch.where(lower, 1 - t.cos(), t.cos())
    y = torch.where(lower, 0.5 - t.sin(), t.sin())
    return torch.stack([x, y], 1) + 0.1 * torch.randn(n, 2)


def truth(x, panels=2000):
    """The mean of -log p by the midpoint rule along the arcs."""
    t = (torch.arange(panels, dtype=torch.float64) + 0.5) * math.pi / panels
    arcs = torch.cat([torch.stack([t.cos(), t.sin()], 1), torch.stack([1 - t.cos(), 0.5 - t.sin()], 1)])
    total = 0.0
    for part in x.double().split(1000):
        d = ((part[:, None] - arcs) ** 2).sum(2) / (2 * 0.01)
        total -= (torch.logsumexp(-d, 1) - math.log(2 * panels) - math.log(2 * math.pi * 0.01)).sum().item()
    return total / len(x)


def main():
    spec = importlib.util.spec_from_file_location("peers", sys.argv[1])
    peers = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(peers)
    makers = {
        "tuned": lambda: peers.Chain([peers.Coupling(2, 64, 2, i % 2) for i in range(32)]),
        "normflows": lambda: peers.nf_realnvp(2, 32, 64, 2),
    }
    steps, batch, rate, warm = 2000, 512, 1e-3, 100
    torch.manual_seed(1)
    train, test = moons(100_000), moons(50_000)
    mean, std = train.mean(0), train.std(0)
    print(f"true density {truth(test):.4f} nats")
    for name in sys.argv[2:] or makers:
        torch.manual_seed(0)
        m = makers[name]()
        adam = torch.optim.Adam(m.parameters(), lr=rate, fused=True)
        averaged = torch.optim.swa_utils.AveragedModel(m, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.99))
        began = time.perf_counter()
        for step in range(1, steps + 1):
            for g in adam.param_groups:
                g["lr"] = rate * (step / warm if step <= warm else 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm))))
            x = (train[torch.randint(len(train), (batch,))] - mean) / std
            adam.zero_grad()
            m.loss(x).backward()
            torch.nn.utils.clip_grad_norm_(m.parameters(), 50.0)
            adam.step()
            averaged.update_parameters(m)
        seconds = time.perf_counter() - began
        with torch.no_grad():
            nats = (averaged.module.loss((test - mean) / std) + std.log().sum()).item()
        print(f"{name:10} {nats:.4f} nats on {len(test)} samples after {steps} steps of {batch}, {seconds:.1f} s")


main()
