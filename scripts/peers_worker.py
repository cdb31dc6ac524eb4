"""Times one model of scripts/peers_models.py in a process of its own. It builds the model, warms up, says so, and then measures whenever
it is told to: a line "measure SECONDS" is answered by a line of JSON with the milliseconds of every step or batch of samples."""

import argparse
import json
import math
import os
import sys
import time
import warnings

import torch

import peers_models

WARM_UP = 3


def settings(base, images, compiles, device, sampling):
    """The ways in which a model can be run, by name: what PyTorch offers without another model."""
    ways = {base: {}}
    if images and not sampling:
        ways[base + "+cl"] = {"channels_last"}
    if compiles:
        ways[base + "+compile"] = {"compile"}
        if images and not sampling:
            ways[base + "+cl+compile"] = {"channels_last", "compile"}
    if device == "cuda":
        for name, way in list(ways.items()):
            if not sampling:
                ways[name + "+bf16"] = set(way) | {"bf16"}
            if "compile" in way:
                ways[name.replace("+compile", "+graph")] = (set(way) - {"compile"}) | {"graph"}
                if not sampling:
                    ways[name.replace("+compile", "+bf16+graph")] = (set(way) - {"compile"}) | {"graph", "bf16"}
    return ways


def compiled(f, way):
    if "graph" in way:
        return torch.compile(f, mode="reduce-overhead")
    return torch.compile(f) if "compile" in way else f


def trainer(model, x, way, device):
    """One whole training step: forward, backward, clipping by norm, Adam."""
    if "channels_last" in way:
        model, x = model.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    loss = model.loss
    if hasattr(model, "forward_kld"):
        loss(x)  # actnorms that set themselves from the first batch do so before anything is compiled
    parameters = [p for p in model.parameters() if p.requires_grad]
    adam = torch.optim.Adam(parameters, lr=1e-5, fused=True)
    loss = compiled(loss, way)

    def step():
        adam.zero_grad(set_to_none=True)
        with torch.autocast(device, torch.bfloat16, enabled="bf16" in way):
            value = loss(x)
        value.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 50.0)
        adam.step()
        return value

    return step


def sampler(model, n, way):
    """A batch of samples, without gradients."""
    if not hasattr(model, "sample"):
        raise NotImplementedError("it cannot sample")
    draw = compiled(model.eval().sample, way)

    def step():
        with torch.no_grad():
            draw(n)

    return step


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--workload", type=int, required=True)
    p.add_argument("--base", required=True)
    p.add_argument("--setting", required=True)
    p.add_argument("--mode", choices=["train", "sample"], required=True)
    p.add_argument("--batch", type=int, required=True)
    p.add_argument("--device", required=True)
    p.add_argument("--threads", type=int, required=True)
    p.add_argument("--once", action="store_true", help="take one step and end")
    a = p.parse_args()
    warnings.filterwarnings("ignore")
    answers = os.fdopen(os.dup(1), "w")  # what libraries print goes elsewhere
    os.dup2(2, 1)

    def answer(**what):
        answers.write(json.dumps(what) + "\n")
        answers.flush()

    torch.set_num_threads(a.threads)
    if a.device == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.benchmark = True
    wait = torch.cuda.synchronize if a.device == "cuda" else lambda: None
    work = peers_models.WORKLOADS[a.workload]
    try:
        torch.manual_seed(0)
        model = work.models[a.base]().to(a.device)
        way = settings(a.base, work.images, work.compiles, a.device, a.mode == "sample")[a.setting]
        step = trainer(model, work.data(a.batch).to(a.device), way, a.device) if a.mode == "train" else sampler(model, a.batch, way)
        for _ in range(1 if a.once else WARM_UP):
            value = step()
        wait()
        if a.mode == "train" and not math.isfinite(float(value)):
            raise FloatingPointError("the loss is not finite")
    except Exception as e:  # whatever a library throws is its result
        answer(failed=f"{type(e).__name__}: {str(e).strip().splitlines()[0][:160] if str(e).strip() else ''}")
        return
    answer(parameters=sum(q.numel() for q in model.parameters()), torch=torch.__version__)
    if a.once:
        return
    for line in sys.stdin:
        seconds = float(line.split()[1])
        times, start = [], time.perf_counter()
        while len(times) < 5 or (time.perf_counter() - start < seconds and len(times) < 100000):
            before = time.perf_counter()
            step()
            wait()
            times.append(1e3 * (time.perf_counter() - before))
        answer(ms=times)


if __name__ == "__main__":
    main()
