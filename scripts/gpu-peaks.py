"""Measures with PyTorch what a GPU's maker's libraries get out of it: a copy of 1 GiB, and products of 8192 x 8192 matrices of random
numbers in each precision. Writes one JSON object, which `bench collect` reads."""

import datetime
import json
import statistics
import subprocess
import sys

import torch


def seconds(f, runs=10):
    """The median time of f on the device."""
    for _ in range(3):
        f()
    times = []
    for _ in range(runs):
        a, b = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        a.record()
        f()
        b.record()
        b.synchronize()
        times.append(a.elapsed_time(b) / 1e3)
    return statistics.median(times)


def main():
    x = torch.randn(1 << 28, device="cuda")
    y = torch.empty_like(x)
    copy = 2 * 4 * x.numel() / seconds(lambda: y.copy_(x)) / 1e9
    del x, y
    n, rates = 8192, {}
    for name, dtype, tf32 in (("fp32", torch.float32, False), ("tf32", torch.float32, True), ("bf16", torch.bfloat16, True)):
        torch.backends.cuda.matmul.allow_tf32 = tf32
        a, b = (torch.randn(n, n, device="cuda", dtype=dtype) for _ in range(2))
        c = torch.empty_like(a)
        rates[name] = 2 * n**3 / seconds(lambda: torch.mm(a, b, out=c)) / 1e9
    driver = subprocess.run(
        ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"], capture_output=True, text=True
    ).stdout.split("\n")[0]
    with open(sys.argv[1], "w") as f:
        json.dump({
            "gpu": torch.cuda.get_device_name(), "driver": driver.strip() or "unknown", "date": datetime.date.today().isoformat(),
            "library": f"PyTorch {torch.__version__}", "copy_gb_per_second": copy, "gflops": rates,
        }, f)
    print(f"copy {copy:.0f} GB/s, products " + ", ".join(f"{k} {v / 1e3:.0f} TFLOP/s" for k, v in rates.items()))


main()
