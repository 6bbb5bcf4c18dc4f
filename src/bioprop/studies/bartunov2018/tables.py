"""Bartunov et al. 2018, Tables 4 and 5: were the best settings inside the ranges searched?"""

import re

import pandas as pd

from bioprop.studies import reported

PAPER = "bartunov2018"
# From the settings of Table 5 to those of Table 4: the range of a number, or a list of values.
RANGES = {"forward-rate": "rate", "inverse-rate": "rate", "alpha": "alpha", "sigma": "sigma"}
LISTS = {
    f"{part}-{name}": name for part in ("forward", "inverse") for name in ("beta1", "beta2", "eps")
}


def allowed(setting: str, value: float) -> bool:
    """Say whether a value of Table 5 is one that Table 4 says was searched."""
    rows = reported.table(PAPER)["value"]
    if setting in RANGES:
        low, high = (rows[f"table4-{RANGES[setting]}-{end}"] for end in ("low", "high"))
        return bool(low <= value <= high)
    listed = rows[rows.index.str.match(rf"table4-{LISTS[setting]}-\d")]
    return bool((listed == value).any())


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
