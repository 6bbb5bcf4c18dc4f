"""What the papers report, read from ``data/reported/<paper>.csv``."""

from functools import cache

import pandas as pd

from bioprop import paths


@cache
def table(paper: str) -> pd.DataFrame:
    """Return all reported rows of a paper (its key in ``references.bib``), indexed by ``key``."""
    path = paths.REPORTED / f"{paper}.csv"
    try:
        return pd.read_csv(path, index_col="key", dtype={"value": float})
    except (ValueError, pd.errors.EmptyDataError) as error:
        raise ValueError(f"{path} is no table of reported numbers: {error}") from error


def value(paper: str, key: str) -> float:
    """Return one reported number; an unknown key raises ``KeyError``."""
    rows = table(paper)
    if key not in rows.index:
        raise KeyError(f"{paper} has no reported value {key!r} in data/reported")
    return float(rows.loc[key, "value"])


def digitised(paper: str, key: str) -> bool:
    """Say whether a reported number was read off a figure, with the accuracy its row states."""
    return "digitised" in str(table(paper).loc[key, "place"])


def curve(paper: str, prefix: str) -> pd.Series:
    """Return the points of a digitised curve, keyed ``<prefix>-<place on the axis>``, in order."""
    rows = table(paper)["value"]
    points = {
        float(key.removeprefix(prefix + "-")): number
        for key, number in rows.items()
        if str(key).startswith(prefix + "-")
    }
    return pd.Series(points).sort_index()
