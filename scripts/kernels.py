"""Compiles kernels/*.cu to PTX with NVRTC and assembles it with ptxas for every architecture: run by scripts/kernels.

The PTX is what ships. Assembling is a check: it tells the registers, the shared memory and the spills of each kernel on
chips that are not here. It fails on a spill, and on local memory that LOCAL does not name with its reason. docs/ptxas.txt has
the table of all families.
"""

import argparse
import concurrent.futures
import ctypes
import hashlib
import pathlib
import re
import subprocess
import sys

import nvidia

NV = pathlib.Path(list(nvidia.__path__)[0])
ROOT = pathlib.Path(__file__).resolve().parent.parent
KERNELS = ROOT / "kernels"
TABLE = ROOT / "docs" / "ptxas.txt"

# What is compiled, and what each target's PTX is assembled for: a driver does the same for the chip that it finds.
TARGETS = {"70": ["sm_70", "sm_75"], "80": ["sm_80", "sm_86", "sm_89", "sm_90", "sm_100"]}

# Families that exist for one target only.
ONLY = {"tensor": ["80"]}

# Bytes of dynamic shared memory at most, for the occupancy. The launch table has the sizes by shape.
DYNAMIC = {"lu_invert": 16384, "mix_64": 41984, "mix_32": 41984, "mix_16": 41984, "mix_8": 41984, "mixture_place_full": 16384,
           "householder_backward": 8192}

# Kernels that may use local memory, and why.
LOCAL = {}

# Per multiprocessor: threads, blocks, bytes of shared memory, bytes of it that each block costs beside its own.
CHIPS = {
    "sm_70": (2048, 32, 96 << 10, 0),
    "sm_75": (1024, 16, 64 << 10, 0),
    "sm_80": (2048, 32, 164 << 10, 1024),
    "sm_86": (1536, 16, 100 << 10, 1024),
    "sm_89": (1536, 24, 100 << 10, 1024),
    "sm_90": (2048, 32, 228 << 10, 1024),
    "sm_100": (2048, 32, 228 << 10, 1024),
}


def source_hash(cu):
    """SHA-256 of the .cu and then of every .cuh that it includes, by itself or by another, in order of name: what kernels_test.go computes too."""
    headers, new = set(), {cu}
    while new:
        text = new.pop().read_text()
        found = {KERNELS / name for name in re.findall(r'^#include "(\w+\.cuh)"$', text, re.M)} - headers
        headers |= found
        new |= found
    h = hashlib.sha256(cu.read_bytes())
    for header in sorted(headers):
        h.update(header.read_bytes())
    return h.hexdigest()


def compile_ptx(cu, target):
    """The PTX of one source for one target, with a header that names source and compiler."""
    rtc = ctypes.CDLL(str(NV / "cuda_nvrtc/lib/libnvrtc.so.12"))
    major, minor, prog, size = ctypes.c_int(), ctypes.c_int(), ctypes.c_void_p(), ctypes.c_size_t()
    rtc.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
    if rtc.nvrtcCreateProgram(ctypes.byref(prog), cu.read_bytes(), cu.name.encode(), 0, None, None):
        sys.exit("NVRTC does not start")
    options = [f"--gpu-architecture=compute_{target}", "-default-device", "--std=c++17", f"-I{KERNELS}"]
    options += [f"-I{NV}/cuda_runtime/include"]
    failed = rtc.nvrtcCompileProgram(prog, len(options), (ctypes.c_char_p * len(options))(*[o.encode() for o in options]))
    rtc.nvrtcGetProgramLogSize(prog, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    rtc.nvrtcGetProgramLog(prog, log)
    if failed or log.value.strip():  # a warning is a failure too
        sys.exit(f"{cu.name} for compute_{target}:\n{log.value.decode()}")
    rtc.nvrtcGetPTXSize(prog, ctypes.byref(size))
    ptx = ctypes.create_string_buffer(size.value)
    rtc.nvrtcGetPTX(prog, ptx)
    return (
        f"// Written by scripts/kernels from {cu.name}. Do not edit.\n"
        f"// source sha256 {source_hash(cu)}\n"
        f"// compiler NVRTC {major.value}.{minor.value}.105 compute_{target}\n"
        + ptx.value.decode().strip() + "\n"
    )


def body(ptx):
    """PTX without what names its target."""
    return ptx.split(".target sm_", 1)[1].split("\n", 1)[1]


def assemble(path, chip):
    """What ptxas says about each kernel: {name: (registers, static shared memory, stack, spilled bytes)}."""
    command = [NV / "cuda_nvcc/bin/ptxas", "-v", "-arch", chip, path, "-o", "/dev/null"]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"ptxas -arch {chip} {path.name}:\n{run.stderr}")
    kernels, name = {}, None
    for line in run.stderr.splitlines():
        if m := re.search(r"Compiling entry function '(\w+)'", line):
            name = m[1]
        elif m := re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", line):
            stack, spilled = int(m[1]), int(m[2]) + int(m[3])
        elif m := re.search(r"Used (\d+) registers", line):
            shared = re.search(r"(\d+) bytes smem", line)
            kernels[name] = (int(m[1]), int(shared[1]) if shared else 0, stack, spilled)
    return kernels


def occupancy(chip, threads, registers, shared):
    """The share of a multiprocessor's threads that are resident. Registers are handed out to warps by 256."""
    most, blocks, memory, extra = CHIPS[chip]
    warps = threads // 32
    per_warp = -(-registers * 32 // 256) * 256
    blocks = min(blocks, most // threads, 65536 // per_warp // warps)
    if shared:
        blocks = min(blocks, memory // (shared + extra))
    return blocks * threads / most


def main():
    parser = argparse.ArgumentParser(prog="scripts/kernels", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the PTX in the repository, write nothing")
    parser.add_argument("families", nargs="*", help="names of .cu files, without the ending; all by default")
    args = parser.parse_args()

    sources = sorted(KERNELS.glob("*.cu"))
    if unknown := sorted(set(args.families) - {cu.stem for cu in sources}):
        sys.exit(f"scripts/kernels: no source kernels/{unknown[0]}.cu; there are {' '.join(cu.stem for cu in sources)}")
    if args.families:
        sources = [cu for cu in sources if cu.stem in args.families]
    faults, jobs, known = [], [], set()
    for cu in sources:
        texts = {t: compile_ptx(cu, t) for t in ONLY.get(cu.stem, TARGETS)}
        alike = len({body(ptx) for ptx in texts.values()}) < len(texts)
        if alike:  # the first target's serves all
            texts = dict(list(texts.items())[:1])
        for target, ptx in texts.items():
            path = KERNELS / f"{cu.stem}_{target}.ptx"
            known.add(path.name)
            if not args.check:
                path.write_text(ptx)
            elif not path.exists() or path.read_text() != ptx:
                faults.append(f"{path.name} is not what {cu.name} compiles to: run scripts/kernels")
                continue
            threads = dict(re.findall(r"\.entry (\w+)\([^)]*\)\s*\.maxntid (\d+)", ptx))
            jobs += [(cu, path, chip, threads) for chip in (CHIPS if alike else TARGETS[target])]
        for path in KERNELS.glob(f"{cu.stem}_[0-9]*.ptx"):
            if path.name not in known and not args.check:
                path.unlink()
    if not args.families:
        faults += [f"{p.name} has no source of its own" for p in sorted(KERNELS.glob("*.ptx")) if p.name not in known]

    table = {}  # (family, kernel) -> {chip: (registers, shared, spilled, occupancy)}
    with concurrent.futures.ThreadPoolExecutor() as pool:
        results = pool.map(lambda job: assemble(job[1], job[2]), jobs)
        for (cu, path, chip, threads), kernels in zip(jobs, results):
            for name, (registers, shared, stack, spilled) in kernels.items():
                if name not in threads:
                    sys.exit(f"{path.name}: {name} has no __launch_bounds__")
                shared += DYNAMIC.get(name, 0)
                share = occupancy(chip, int(threads[name]), registers, shared)
                row = table.setdefault((cu.stem, name), {"threads": threads[name], "shared": []})
                if str(shared) not in row["shared"]:
                    row["shared"].append(str(shared))
                row[chip] = f"{registers}/{spilled}/{share:.0%}"
                if spilled:
                    faults.append(f"{name} spills {spilled} bytes on {chip}")
                elif stack and name not in LOCAL:
                    faults.append(f"{name} uses {stack} bytes of local memory on {chip}")

    chips = list(CHIPS)
    lines = [
        "Registers / bytes spilled / theoretical occupancy of every kernel, by ptxas 12.9. Written by scripts/kernels: do not edit.",
        "Shared memory is in bytes, where the targets differ compute_70's and compute_80's; occupancy is by its greatest dynamic size.",
        "",
        f"{'family':<12}{'kernel':<32}{'threads':>8}{'shared':>12}" + "".join(f"{c:>13}" for c in chips),
    ]
    for (family, name), row in table.items():
        shared = "/".join(row["shared"])
        lines.append(f"{family:<12}{name:<32}{row['threads']:>8}{shared:>12}" + "".join(f"{row.get(c, '-'):>13}" for c in chips))
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if not args.families and not args.check:
        TABLE.write_text(text)
    elif not args.families and (not TABLE.exists() or TABLE.read_text() != text):
        faults.append(f"{TABLE.relative_to(ROOT)} is not the table of these kernels: run scripts/kernels")
    for fault in faults:
        print(f"scripts/kernels: {fault}", file=sys.stderr)
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
