"""Times other people's training steps and samples beside ours; scripts/peers runs it in an environment that has them.

For each workload every setting of every model is tried for a moment, each in a process of its own, and the fastest is kept. Then rounds
follow: ours, theirs, ours, theirs; whoever does not run is stopped. Medians are over rounds, of each round's median; what is in brackets
is the least and the greatest of them. A ratio above 1 says how many times faster ours is than the fastest of theirs."""

import argparse
import ctypes
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

import peers_models
from peers_worker import settings

HERE = os.path.dirname(os.path.abspath(__file__))
BENCH = os.path.join(HERE, "..", "bin", "bench")
TRIED = 1.0  # seconds of a first look at a setting
SHARES = ("peak_share", "median_peak_share")  # of ours, as bin/bench step calls them
COLUMNS = "{:28} {:>28} {:>6} {:>10} {:>34} {:22} {:>7}"


class Failed(Exception):
    pass


def ends_with_parent():
    """On Linux a worker ends with whoever started it, however that ended: one that is stopped would never notice."""
    if sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


class Worker:
    """One of their settings in a process of its own, stopped but while it is asked."""

    def __init__(self, index, base, setting, mode, batch, args, once=False, cache=None):
        self.name = setting
        command = [sys.executable, os.path.join(HERE, "peers_worker.py"), "--workload", str(index), "--base", base, "--setting", setting,
                   "--mode", mode, "--batch", str(batch), "--device", args.device, "--threads", str(args.threads)]
        environment = dict(os.environ, **({"TORCHINDUCTOR_CACHE_DIR": cache} if cache else {}))
        self.process = subprocess.Popen(command + ["--once"] * once, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        text=True, env=environment, start_new_session=True,
                                        preexec_fn=ends_with_parent)
        try:
            self.about = self.answer()
        except Failed:
            self.close()
            raise
        if not once:
            self.stop()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise Failed(f"{self.name} ended without a word")
        said = json.loads(line)
        if "failed" in said:
            raise Failed(said["failed"])
        return said

    def stop(self):
        os.killpg(self.process.pid, signal.SIGSTOP)

    def measure(self, seconds):
        """Milliseconds of every step in about so many seconds."""
        os.killpg(self.process.pid, signal.SIGCONT)
        self.process.stdin.write(f"measure {seconds}\n")
        self.process.stdin.flush()
        times = self.answer()["ms"]
        self.stop()
        return times

    def close(self):
        for s in (signal.SIGKILL, signal.SIGCONT):
            try:
                os.killpg(self.process.pid, s)
            except ProcessLookupError:
                pass
        self.process.wait()


def ours(mode, preset, batch, seconds, args):
    """The record of bench for one round."""
    command = [BENCH, "step" if mode == "train" else "sample", "--preset", preset, "--batch", str(batch), "--seconds", str(seconds), "--json"]
    command += ["--device", {"cpu": "cpu"}.get(args.device, args.device)]
    if args.device == "cpu":
        command += ["--cores", str(args.threads)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(done.stderr.strip() or f"bench ended with {done.returncode}")
    return json.loads(done.stdout)


class Side:
    """What one side took: a median for each round."""

    def __init__(self):
        self.rounds, self.steps = [], 0

    def add(self, median, steps):
        self.rounds.append(median)
        self.steps += steps

    @property
    def ms(self):
        return statistics.median(self.rounds)

    def __str__(self):
        if not self.rounds:
            return "-"
        return f"{self.ms:.2f} [{min(self.rounds):.2f} .. {max(self.rounds):.2f}]"

    def record(self):
        return {"ms": self.ms, "min": min(self.rounds), "max": max(self.rounds), "rounds": self.rounds, "steps": self.steps}


def fastest(index, work, mode, batch, args):
    """Tries every setting; the worker of the fastest, and what all took. Failures are kept as text."""
    best, best_ms, tried = None, 0, {}
    for base in work.models:
        for setting in settings(base, work.images, work.compiles, args.device, mode == "sample"):
            if not re.search(args.setting, setting):
                continue
            try:
                worker = Worker(index, base, setting, mode, batch, args)
                try:
                    ms = statistics.median(worker.measure(TRIED))
                except Failed:
                    worker.close()
                    raise
            except Failed as e:
                tried[setting] = str(e)
                continue
            tried[setting] = round(ms, 3)
            if best is None or ms < best_ms:
                if best:
                    best.close()
                best, best_ms = worker, ms
            else:
                worker.close()
    return best, tried


def compare(index, work, mode, args):
    """Rounds of ours and theirs on a workload."""
    batch = args.batch or (work.batch if mode == "train" else work.drawn)
    row = {"workload": work.preset, "mode": mode, "batch": batch}
    best, row["tried_ms"] = fastest(index, work, mode, batch, args)
    us, them, shares = Side(), Side(), {}
    try:
        for _ in range(args.rounds):
            if not args.theirs:
                try:
                    r = ours(mode, work.preset, batch, args.seconds, args)
                except Failed as e:
                    row["ours_failed"] = str(e)
                    break
                us.add(r["ms"], r["timed_steps"])
                for key in SHARES:
                    if r.get(key):
                        shares.setdefault(key, []).append(r[key])
            if best:
                times = best.measure(args.seconds)
                them.add(statistics.median(times), len(times))
    finally:
        if best:
            best.close()
    if us.rounds:
        row["ours"] = us.record()
        row["ours"] |= {key: statistics.median(of) for key, of in shares.items()}
    if them.rounds:
        row["setting"], row["ms"] = best.name, them.ms
        row["theirs"] = them.record() | best.about
    if us.rounds and them.rounds:
        row["ratio"] = them.ms / us.ms
    return row, us, them


def start(index, work, args):
    """From the start of the program to the end of its first step: ours, and theirs as they are and compiled for the first time."""
    row = {"workload": work.preset, "mode": "start", "batch": work.batch, "tried_ms": {}}
    us, sides = Side(), {}
    for _ in range(args.rounds):
        if not args.theirs:
            before = time.perf_counter()
            done = subprocess.run([BENCH, "start", "--one-step", "--preset", work.preset, "--batch", str(work.batch), "--device", args.device],
                                  capture_output=True, text=True)
            if done.returncode != 0:
                row["ours_failed"] = done.stderr.strip()
                break
            us.add(1e3 * (time.perf_counter() - before), 1)
        for setting in ("tuned", "tuned+compile"):
            if not re.search(args.setting, setting) or setting.endswith("compile") and len(sides.get(setting, Side()).rounds) >= 2:
                continue  # a minute each: two are enough
            with tempfile.TemporaryDirectory() as cache:
                before = time.perf_counter()
                try:
                    Worker(index, "tuned", setting, "train", work.batch, args, once=True, cache=cache).close()
                except Failed as e:
                    row["tried_ms"][setting] = str(e)
                    continue
                sides.setdefault(setting, Side()).add(1e3 * (time.perf_counter() - before), 1)
    row["tried_ms"] |= {name: round(s.ms, 1) for name, s in sides.items()}
    them = min(sides.values(), key=lambda s: s.ms) if sides else Side()
    if us.rounds:
        row["ours"] = us.record()
    if sides:
        row["setting"] = min(sides, key=lambda name: sides[name].ms)
        row["ms"], row["theirs"] = them.ms, them.record()
    if us.rounds and sides:
        row["ratio"] = them.ms / us.ms
    return row, us, them


def show(row, us, them):
    name = f"{row['workload']}, {row['batch']}" + {"train": "", "sample": ", sampling", "start": ", first step"}[row["mode"]]
    shares, ratio = [row.get("ours", {}).get(key) for key in SHARES], row.get("ratio")
    cells = (str(us), *(f"{100 * s:.0f} %" if s else "-" for s in shares), str(them), row.get("setting", "-"), f"{ratio:.2f}" if ratio else "-")
    print(COLUMNS.format(name, *cells), flush=True)
    if "ours_failed" in row:
        print(f"  ours: {row['ours_failed']}")
    print("  tried: " + ", ".join(f"{k} {v}" + (" ms" if isinstance(v, float) else "") for k, v in row["tried_ms"].items()), flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--only", default=".", help="workloads whose name, such as glow-mnist, matches this regular expression")
    p.add_argument("--setting", default=".", help="settings whose name, such as zuko+compile, matches this regular expression")
    p.add_argument("--modes", default="train,sample,start", help="what is timed: some of train, sample, start")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=float, default=4, help="of each side in each round")
    p.add_argument("--batch", type=int, help="samples, instead of each workload's")
    p.add_argument("--threads", type=int, default=os.cpu_count(), help="of both sides on a CPU")
    p.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    p.add_argument("--theirs", action="store_true", help="time the others alone")
    p.add_argument("--json", help="append one JSON object a row to this file")
    p.add_argument("--parameters", action="store_true", help="print the number of each model's parameters, and nothing else")
    a = p.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that workers are closed
    modes = a.modes.split(",")
    if not set(modes) <= {"train", "sample", "start"}:
        p.error(f"--modes {a.modes}: use some of train, sample, start")
    if a.rounds < 1 or a.seconds < 0:
        p.error("--rounds must be at least 1, and --seconds at least 0")
    if not a.theirs and not a.parameters and not os.path.exists(BENCH):
        p.error("there is no bin/bench: run scripts/setup, or give --theirs")
    chosen = [(i, w) for i, w in enumerate(peers_models.WORKLOADS) if re.search(a.only, w.preset)]
    if not chosen:
        p.error(f"--only {a.only}: no workload has such a name")
    if a.parameters:
        warnings.filterwarnings("ignore")
        for _, w in chosen:
            for name, make in w.models.items():
                print(f"{w.preset:14} {name:22} {sum(q.numel() for q in make().parameters())}")
        return
    print(f"{a.device}, {a.threads} threads, {a.rounds} rounds of {a.seconds:g} s on each side; ms: median [least .. greatest round]")
    print(COLUMNS.format("workload, batch", "ours", "peak", "its median", "best of theirs", "its setting", "faster"))
    for mode in modes:
        for i, work in chosen:
            if mode == "start" and "tuned" not in work.models:
                continue
            row, us, them = start(i, work, a) if mode == "start" else compare(i, work, mode, a)
            show(row, us, them)
            if a.json:
                with open(a.json, "a") as f:
                    f.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
