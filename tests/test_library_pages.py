"""The pages about the library: their code runs, and the reference lists every module."""

import re

import pytest
from helpers import ROOT

PAGES = ("own-data.md", "own-network.md")
CODE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES)
def test_the_code_of_a_page_runs_from_top_to_bottom(
    page: str, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = CODE.findall((ROOT / page).read_text("utf-8"))
    scope: dict[str, object] = {}
    for number, block in enumerate(blocks):
        exec(compile(block, f"{page}, block {number}", "exec"), scope)
    assert len(blocks) > 5 and capsys.readouterr().out
