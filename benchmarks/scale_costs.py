"""What follows from the measurements of `scale_limits.py` by arithmetic, and from what is assumed.

Prices are nobody's in particular: round numbers in dollars, of the size that large providers ask.
"""

from __future__ import annotations

from typing import Any

MB, TB = 1e6, 1e12

ASSUMED = {
    "shard_bytes": 2**28,
    "input_chunk_bytes": 2**21,  # a plane of 1024 × 1024 samples of 16 bits, not sharded
    "levels": 4 / 3,  # all levels together, over the first one
    "ratio": 32.0,
    "core_hour": 0.04,
    "tb_month": 20.0,
    "egress_tb": 80.0,
    "thousand_get": 0.0004,
    "thousand_put": 0.005,
    "shared_disk_us": 1000.0,  # of looking at a file, or adding a line, on a shared file system
}


def costs(body: dict[str, Any]) -> dict[str, Any]:
    """All tables, as far as their measurements are there."""
    found: dict[str, Any] = {"assumed": ASSUMED, "terabyte": terabyte()}
    if "effort" in body:
        found["efforts"] = [effort(row) for row in body["effort"]]
    if "client" in body and "scheduler" in body:
        found["workers"] = workers(body)
    if "client" in body and "system" in body:
        found["million"] = million(body)
    return found


def terabyte() -> dict[str, float]:
    """Requests and prices of a terabyte of samples at full resolution, and its smaller levels."""
    a = ASSUMED
    shards = TB * a["levels"] / a["shard_bytes"]
    gets = TB * a["levels"] / a["input_chunk_bytes"]
    kept = a["levels"] * a["tb_month"]
    return {
        "shards": shards,
        "get": gets,
        "get_price": gets / 1000 * a["thousand_get"],
        "put": shards,
        "put_price": shards / 1000 * a["thousand_put"],
        "month_before": kept,
        "month_after": a["tb_month"] / a["ratio"],
        "month_saved": kept - a["tb_month"] / a["ratio"],
        "egress_before": a["levels"] * a["egress_tb"],
        "egress_after": a["egress_tb"] / a["ratio"],
    }


def effort(row: dict[str, Any]) -> dict[str, float]:
    """Core hours of a terabyte, all levels, and after how many months they are paid for."""
    hours = row["cpu_s_per_mb"] * TB / MB / 3600
    money = hours * ASSUMED["core_hour"]
    paid = money + terabyte()["get_price"] + terabyte()["put_price"]
    return {
        "effort": row["effort"],
        "core_hours": hours,
        "price": money,
        "months": paid / terabyte()["month_saved"],
        "core_hours_to_read": row["decode_cpu_s_per_mb"] * TB / MB / 3600,
        "megabytes_read_per_core_second": 1 / row["of_level_0"],
    }


def workers(body: dict[str, Any]) -> list[dict[str, float]]:
    """For shards that take so many seconds: how many workers one client keeps busy."""
    cost = body["scheduler"]["runs"][-1]["cpu_us_per_shard"] * 1e-6
    rows = []
    for seconds in (5.0, 25.0, 50.0):
        each = cost / seconds  # of the client's core, for each worker
        rows.append(
            {
                "shard_s": seconds,
                "workers": 1 / each,
                "share_at_1000": 1000 * each,
                "gigabytes_read_per_s_at_1000": 1000 * ASSUMED["shard_bytes"] / seconds / 1e9,
            }
        )
    return rows


def million(body: dict[str, Any]) -> dict[str, float]:
    """A million shards: memory and seconds of the client, from the largest case measured."""
    row = max(body["client"]["ratio"], key=lambda r: r["shards"])
    times = 1e6 / row["shards"]
    return {
        "raw_tb_at_full_resolution": 1e6 * ASSUMED["shard_bytes"] / ASSUMED["levels"] / TB,
        "measured_shards": row["shards"],
        "client_s": row["whole_s"] * times,
        "resume_s": row["resume_s"] * times,
        "peak_mb": row["peak_mb"] * times,
        "peak_with_resume_mb": row["peak_with_resume_mb"] * times,
        "manifest_mb": row["manifest_mb"] * times,
        "files_looked_for_s": body["system"]["stat_us"],  # microseconds, a million times
        "files_looked_for_on_a_shared_disk_s": ASSUMED["shared_disk_us"],
        "lines_s": body["system"]["line_us"],
    }
