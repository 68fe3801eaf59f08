"""The tests of arithmetic, run as other machines would run them: ``make test-machines``.

Each setting is a process of its own with other instruction sets for XLA (`XLA_FLAGS`), OpenBLAS
(`OPENBLAS_CORETYPE`) and NumPy (`NPY_DISABLE_CPU_FEATURES`), and with one thread or two. A few
settings cover all values of each. What this processor cannot run is left out, as the table says.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from record import save

ROOT = Path(__file__).parents[1]

# What was in use, as the libraries themselves say it.
FACTS = """
import json, numpy, scipy.linalg, threadpoolctl
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__
blas = [i for i in threadpoolctl.threadpool_info() if i["user_api"] == "blas"]
print(json.dumps({
    "blas": sorted({i.get("architecture", "?") for i in blas}),
    "threads": max(i["num_threads"] for i in blas),
    "numpy": [f for f in __cpu_dispatch__ if __cpu_features__.get(f)],
}))
"""


@dataclass(frozen=True)
class Setting:
    """Another machine.

    Attributes
    ----------
    name
        For the table.
    needs
        Flags that this processor must have, as Linux names them.
    xla, blas
        Instruction set and kernels; None leaves the choice to the library.
    numpy
        Whether NumPy may use more than the least that it is built for.
    threads
        Of each library.
    """

    name: str
    needs: tuple[str, ...]
    xla: str | None
    blas: str | None
    numpy: bool
    threads: int

    def environment(self, dispatched: list[str]) -> dict[str, str]:
        """The environment of this process as that machine has it."""
        threads = str(self.threads)
        env = os.environ | {
            "OPENBLAS_NUM_THREADS": threads,
            "OMP_NUM_THREADS": threads,
            "NPROC": threads,  # XLA's pool
        }
        # Optimised, as for users: without, XLA hardly uses what sets of instructions differ in.
        env["XLA_FLAGS"] = "--xla_backend_optimization_level=3"
        if self.xla:
            env["XLA_FLAGS"] += f" --xla_cpu_max_isa={self.xla}"
        if self.blas:
            env["OPENBLAS_CORETYPE"] = self.blas
        if not self.numpy and dispatched:
            env["NPY_DISABLE_CPU_FEATURES"] = " ".join(dispatched)
        return env


SETTINGS = (
    Setting("SSE4.2, one thread", ("sse4_2",), "SSE4_2", "Nehalem", False, 1),
    Setting("SSE4.2, two threads", ("sse4_2",), "SSE4_2", "Prescott", False, 2),
    Setting("AVX", ("avx",), "AVX", "Sandybridge", False, 1),
    Setting("AVX2, as Intel's", ("avx2", "fma"), "AVX2", "Haswell", True, 1),
    Setting("AVX2, as AMD's", ("avx2", "fma"), "AVX2", "Zen", True, 2),
    Setting("AVX-512", ("avx512f", "avx512vl", "avx512bw"), "AVX512", "SkylakeX", True, 2),
    Setting("this machine", (), None, None, True, 2),
)


def main() -> int:
    """Run all settings; 1 if a test failed in one of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--save", action="store_true", help="write results/machines.json")
    parser.add_argument("--only", action="append", help="settings whose names hold this; repeat")
    parser.add_argument("--slow", action="store_true", help="what is marked slow, too")
    parser.add_argument("pytest", nargs="*", help="more for pytest, after --")
    given = parser.parse_args()
    flags, dispatched = processor(), facts(dict(os.environ))["numpy"]
    chosen = "numerical" if given.slow else "numerical and not slow"
    wanted = [s for s in SETTINGS if any(part in s.name for part in given.only or [""])]
    rows = [run(setting, flags, dispatched, chosen, given.pytest) for setting in wanted]
    print(table(rows))
    if given.save:
        save("machines", {"marked": chosen, "runs": rows})
    return int(any(row["state"] == "failed" for row in rows))


def run(
    setting: Setting, flags: set[str], dispatched: list[str], chosen: str, more: list[str]
) -> dict[str, Any]:
    """One setting's row: what was in use, and what pytest says."""
    row: dict[str, Any] = {"machine": setting.name, "xla": setting.xla or "all"}
    lacking = [flag for flag in setting.needs if flag not in flags]
    if lacking:
        return row | {"state": "left out", "why": f"this processor has no {', '.join(lacking)}"}
    env = setting.environment(dispatched)
    row |= facts(env)
    words = ["-m", "pytest", "-m", chosen, "-q", "--tb=short", "-p"]
    words += ["no:cacheprovider", "-n", "2", "--dist", "loadfile", *more]
    print(f"{setting.name}:", flush=True)
    begin, before = time.monotonic(), os.times()
    done = subprocess.run([sys.executable, *words], cwd=ROOT, env=env, text=True, stdout=-1)
    after = os.times()
    if done.returncode:
        print(done.stdout)
    last = (done.stdout.strip() or "nothing").splitlines()[-1]
    print(f"  {last}", flush=True)
    counts = {word: int(n) for n, word in re.findall(r"(\d+) (passed|failed|skipped|error)", last)}
    return row | {
        "state": "failed" if done.returncode else "passed",
        "tests": counts,
        "seconds": round(time.monotonic() - begin, 1),
        "cpu_seconds": round(after.children_user - before.children_user, 1),
    }


def facts(env: dict[str, str]) -> dict[str, Any]:
    """The kernels, threads and features that the libraries say they use."""
    done = subprocess.run([sys.executable, "-c", FACTS], env=env, text=True, stdout=-1, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def processor() -> set[str]:
    """What this processor can do: flags as Linux names them, none elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return set()
    found = re.search(r"^flags\s*:(.*)$", text, re.MULTILINE)
    return set(found[1].split()) if found else set()


def table(rows: list[dict[str, Any]]) -> str:
    """For people."""
    lines = [f"{'machine':<22}{'XLA':<8}{'OpenBLAS':<14}{'NumPy':<10}{'threads':<9}result"]
    for row in rows:
        blas, extra = "/".join(row.get("blas", "-")), "+".join(row.get("numpy", "")) or "least"
        if row["state"] == "left out":
            extra, result = "-", f"left out: {row['why']}"
        else:
            counts = ", ".join(f"{n} {word}" for word, n in row["tests"].items())
            result = f"{counts or row['state']} in {row['seconds']:.0f} s"
        head = f"{row['machine']:<22}{row['xla']:<8}{blas:<14}{extra:<10}"
        lines.append(f"{head}{row.get('threads', '-')!s:<9}{result}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
