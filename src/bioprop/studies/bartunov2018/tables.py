"""Bartunov et al. 2018, Tables 4 and 5: were the best settings inside the ranges searched?"""

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

import pandas as pd

from bioprop.studies import reported

PAPER = "bartunov2018"
# From the settings of Table 5 to those of Table 4: the range of a number, or a list of values.
RANGES = {"forward-rate": "rate", "inverse-rate": "rate", "alpha": "alpha", "sigma": "sigma"}
LISTS = {
    f"{part}-{name}": name for part in ("forward", "inverse") for name in ("beta1", "beta2", "eps")
}
# From the names that settings have here to those of Table 5.
COLUMNS = ("rate", "beta1", "beta2", "eps")
NAMES = {
    **{name: f"forward-{name}" for name in COLUMNS},
    **{f"inverse_{name}": f"inverse-{name}" for name in COLUMNS},
    "alpha": "alpha",
    "sigma": "sigma",
}


@dataclass(frozen=True)
class Range:
    """What a setting is drawn from: a few ``values``, or all numbers between the two ends.

    The paper names no distribution (ours: rates by their logarithms, all else evenly).
    """

    values: tuple[float, ...]
    scale: Literal["list", "linear", "log"]

    def at(self, chance: float) -> float:
        """Return the value for a chance from 0 to 1, to six digits as Table 5 has at most."""
        if self.scale == "list":
            return self.values[min(int(chance * len(self.values)), len(self.values) - 1)]
        low, high = self.values
        way = low * (high / low) ** chance if self.scale == "log" else low + (high - low) * chance
        return float(f"{way:.6g}")


def searched(setting: str) -> Range:
    """Return the range or the list that Table 4 prints for a setting of Table 5."""
    rows = reported.table(PAPER)["value"]
    if setting in RANGES:
        ends = tuple(float(rows[f"table4-{RANGES[setting]}-{end}"]) for end in ("low", "high"))
        return Range(ends, "log" if RANGES[setting] == "rate" else "linear")
    listed = rows[rows.index.str.match(rf"table4-{LISTS[setting]}-\d")]
    return Range(tuple(sorted(listed)), "list")


@cache
def needed(setting: str) -> Range:
    """Return the smallest range that has all of Table 4 and every number of Table 5."""
    narrow, table = searched(setting), printed()
    best = table.loc[table["setting"] == setting, "value"]
    values = sorted({*narrow.values, *best})
    return Range(tuple(values if narrow.scale == "list" else (values[0], values[-1])), narrow.scale)


def allowed(setting: str, value: float) -> bool:
    """Say whether a value of Table 5 is one that Table 4 says was searched."""
    values = searched(setting).values
    return value in values if setting in LISTS else values[0] <= value <= values[1]


def printed() -> pd.DataFrame:
    """Return every number of Table 5: network, method, setting, value, and whether it was allowed.

    One row for each; ``network`` is the data set with ``fc`` or ``lc``.
    """
    found = []
    names = "|".join([*RANGES, *LISTS])
    for key, value in reported.table(PAPER)["value"].items():
        match = re.fullmatch(rf"table5-(\w+)-(fc|lc)-(.+?)-({names})", str(key))
        if match:
            data, kind, method, setting = match.groups()
            found.append((f"{data} {kind}", method, setting, value, allowed(setting, value)))
    return pd.DataFrame(found, columns=["network", "method", "setting", "value", "allowed"])


def outside() -> pd.DataFrame:
    """Count, for each network, the numbers of Table 5 that Table 4 does not allow."""
    counted = printed().groupby("network")["allowed"].agg(["size", "sum"])
    return pd.DataFrame({"printed": counted["size"], "outside": counted["size"] - counted["sum"]})


def ranges() -> pd.DataFrame:
    """Return for each setting what Table 4 prints, and the smallest range that Table 5 needs."""

    def words(found: Range) -> str:
        join = ", " if found.scale == "list" else " to "
        return join.join(f"{value:g}" for value in found.values)

    rows = {name: (words(searched(name)), words(needed(name))) for name in NAMES.values()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=["Table 4", "Tables 4 and 5"])
