"""What it is measured on, and who else was busy on it meanwhile."""

import os
import platform
import time
from pathlib import Path

from bench.processes import TICKS

SYNCED_WRITES = 50


def description() -> str:
    """Processor, cores, memory, kernel, Python."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    kernel = ".".join(platform.release().split(".")[:2])
    return (
        f"{_processor()}, {os.cpu_count()} cores, {pages / 2**30:.0f} GB, {platform.system()} {kernel}, "
        f"{platform.python_implementation()} {platform.python_version()}"
    )


def synced_write_ms(folder: Path) -> float:
    """The median time of a 4 kB append that is synced: what each commit of a durable database waits for."""
    times = []
    probe = folder / "synced"
    with probe.open("ab", buffering=0) as file:
        for _ in range(SYNCED_WRITES):
            began = time.perf_counter()
            file.write(bytes(4096))
            os.fsync(file.fileno())
            times.append(time.perf_counter() - began)
    probe.unlink()
    return sorted(times)[SYNCED_WRITES // 2] * 1e3


def busy_seconds() -> float:
    """Processor time that anyone on this machine has used since it started, and what the host took from it."""
    if not Path("/proc/stat").exists():
        return 0.0
    user, nice, system, _, _, irq, softirq, steal = (
        int(field) for field in Path("/proc/stat").read_text(encoding="ascii").split(maxsplit=9)[1:9]
    )
    return (user + nice + system + irq + softirq + steal) / TICKS


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())
