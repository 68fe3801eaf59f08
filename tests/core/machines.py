"""The compiled core as other compilers and processors build and run it: the same digests?

    python tests/core/machines.py [NAME ...] [--record FILE]

Builds `digest.cpp` with the core's sources, without Python, for each setting (by default all), runs
it, by emulation where the processor is another, and compares what it prints with what the first
setting gives. Needs nothing but the standard library; compilers and emulators are installed by apt
where this runs as root, and what cannot be had is left out, as the table says. Exit status: 0, or 1
if a digest differs.
"""

from __future__ import annotations

import argparse
import json
import lzma
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = [
    Path(__file__).with_name("digest.cpp"),
    *(
        ROOT / "src/core" / name
        for name in ("band.cpp", "finish.cpp", "lifting.cpp", "planes.cpp", "repair.cpp")
    ),
]
LATENT = ROOT / "src/inif/latent"
SHIPPED = ("-std=c++17", "-O3", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror")
"""As CMakeLists.txt builds it; a warning is an error here."""


@dataclass(frozen=True)
class Setting:
    """A way to build and run it.

    Attributes
    ----------
    compiler, flags
        Of C++; flags come after those that are shipped.
    runs
        The emulator, "" for this processor.
    packages
        Of Debian, with the compiler and the emulator.
    host
        Processor that this needs, "" for any.
    same
        Whether the digests must be those of the first setting.
    """

    compiler: str
    flags: tuple[str, ...] = ()
    runs: str = ""
    packages: tuple[str, ...] = ()
    host: str = ""
    same: bool = True


ARM = "aarch64-linux-gnu-g++"
ON_ARM = {
    "runs": "qemu-aarch64-static",
    "packages": ("qemu-user-static", "g++-aarch64-linux-gnu", "libc6-dev-arm64-cross"),
}
SETTINGS = {
    "native": Setting("g++"),
    # Without the loops that are built twice: what a processor without AVX2 runs.
    "no-avx2": Setting("g++", ("-DINIF_SANITIZE",), host="x86_64"),
    "avx2-fma": Setting("g++", ("-mavx2", "-mfma"), host="x86_64"),
    "clang": Setting("clang++", packages=("clang",)),
    "clang-avx2-fma": Setting("clang++", ("-mavx2", "-mfma"), packages=("clang",), host="x86_64"),
    "arm64": Setting(ARM, ("-static",), **ON_ARM),
    # What the flag against fused multiply-add is for.
    "arm64-fused": Setting(ARM, ("-static", "-ffp-contract=fast"), same=False, **ON_ARM),
    # A long has 32 bits, as on Windows.
    "i686": Setting(
        "i686-linux-gnu-g++",
        ("-static", "-msse2", "-mfpmath=sse"),
        packages=("g++-i686-linux-gnu", "libc6-dev-i386-cross"),
        host="x86_64",
    ),
    # The other order of bytes.
    "s390x": Setting(
        "s390x-linux-gnu-g++",
        ("-static",),
        "qemu-s390x-static",
        ("qemu-user-static", "g++-s390x-linux-gnu", "libc6-dev-s390x-cross"),
    ),
}


def lacking(setting: Setting) -> str:
    """Why a setting cannot be tried, or nothing; installs what is missing."""
    if setting.host and platform.machine() != setting.host:
        return f"needs {setting.host}"
    missing = [p for p in (setting.compiler, setting.runs) if p and not shutil.which(p)]
    if not missing:
        return ""
    if not setting.packages or not shutil.which("apt-get"):
        return f"{missing[0]} is not installed"
    if os.geteuid():
        return f"{missing[0]} is not installed (as root: apt-get install {setting.packages[0]} …)"
    print(f"installing {' '.join(setting.packages)}", flush=True)
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *setting.packages]
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-qq"], install):
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, timeout=600, check=False
            )
        except subprocess.TimeoutExpired:
            return f"{' '.join(command[:2])} took more than 10 minutes"
        if done.returncode and command is install:
            return f"{missing[0]} could not be installed"
    return ""


def digests(setting: Setting, folder: Path) -> tuple[dict[str, str], float]:
    """What the driver prints, built by a setting; seconds of processor time that it took."""
    program = folder / "digest"
    build = [setting.compiler, *SHIPPED, *setting.flags, *map(str, SOURCES), "-o", str(program)]
    subprocess.run(build, check=True)
    tables, networks = folder / "tables.bin", LATENT / "nets.bin"
    tables.write_bytes(lzma.decompress((LATENT / "tables.xz").read_bytes()))
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    run = [*filter(None, [setting.runs]), str(program), str(tables), str(networks)]
    done = subprocess.run(run, check=True, stdout=subprocess.PIPE, text=True)
    seconds = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    return dict(line.split() for line in done.stdout.splitlines()), seconds


def version(setting: Setting) -> str:
    """The compiler's."""
    command = [setting.compiler, "--version"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")[0]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", choices=[[], *SETTINGS], metavar="NAME")
    parser.add_argument("--record", type=Path, help="write the result as JSON")
    options = parser.parse_args()
    first: dict[str, str] = {}
    results: dict[str, dict[str, object]] = {}
    failed = 0
    for name in options.names or SETTINGS:
        setting = SETTINGS[name]
        reason = lacking(setting)
        if reason:
            print(f"{name:15} left out: {reason}", flush=True)
            results[name] = {"left out": reason}
            continue
        try:
            with tempfile.TemporaryDirectory() as folder:
                found, seconds = digests(setting, Path(folder))
        except subprocess.CalledProcessError as error:
            print(f"{name:15} failed: {Path(error.cmd[0]).name} ended with {error.returncode}")
            failed += 1
            continue
        first = first or found
        differ = [part for part in found if found[part] != first.get(part)]
        failed += setting.same and bool(differ)
        what = f"differs in {', '.join(differ)}" if differ else "the same"
        print(f"{name:15} {what}{'' if setting.same else ' (as it may)'}, {seconds:.2f} s of CPU")
        results[name] = {
            "compiler": version(setting),
            "flags": " ".join((*SHIPPED, *setting.flags)),
            "run by": setting.runs or "this processor",
            "differs in": differ,
            "cpu seconds": round(seconds, 2),
        }
    if options.record:
        record = {
            "command": " ".join(["python", *sys.argv]),
            "date": datetime.now(UTC).strftime("%Y-%m-%d"),
            "machine": platform.machine(),
            "failed": failed,
            "digests": first,
            "settings": results,
        }
        options.record.write_text(json.dumps(record, indent=1) + "\n")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
