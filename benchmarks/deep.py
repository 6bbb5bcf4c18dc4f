"""What does a step of ResNet-18 cost under each rule, beside backprop and beside stock PyTorch?

Photographs of 64 x 64 pixels, 200 classes, SGD with momentum; the time is that of the process, so
a machine that is busy elsewhere changes little. See README.md.
"""

import statistics
import time

import torch
from population import Contender, Row, ratio, report, turns
from torch.nn import functional as F

from bioprop.deep import convert, resnet18

RULES = ("bp", "fa", "ss", "dfa")
BATCHES = (32, 128)
CLASSES, SIDE = 200, 64


def training(rule: str | None, batch: int, rounded: bool, layout: torch.memory_format) -> Contender:
    """One step on the same batch each turn, under a rule or, without one, by PyTorch itself."""
    model = resnet18(CLASSES)
    if rule is not None:
        convert(model, rule)
    model = model.to(memory_format=layout)
    numbers = torch.Generator().manual_seed(0)
    x = torch.randn(batch, 3, SIDE, SIDE, generator=numbers).contiguous(memory_format=layout)
    y = torch.randint(CLASSES, (batch,), generator=numbers)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def turn() -> None:
        optimiser.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=rounded):
            loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimiser.step()

    return lambda: turn


def compare(batch: int, rounded: bool, count: int) -> list[Row]:
    """Compare the rules with each other and with PyTorch in the layout that suits it better."""
    last, first = torch.channels_last, torch.contiguous_format
    contenders = {rule: training(rule, batch, rounded, last) for rule in RULES}
    contenders["stock"] = training(None, batch, rounded, last if rounded else first)
    seconds = turns(contenders, count, time.process_time)
    rate = {name: batch / statistics.median(taken) for name, taken in seconds.items()}
    setting = f"batch {batch}, {'bfloat16' if rounded else 'float32'}"
    rows: list[Row] = []
    for rule in RULES:
        for other, what in (("bp", "step time / of backprop"), ("stock", "images/s / of PyTorch")):
            pair = (
                (seconds[rule], seconds["bp"])
                if other == "bp"
                else (seconds["stock"], seconds[rule])
            )
            if rule != other:
                numbers = {"ours": rate[rule], "other": rate[other], "ratio": ratio(*pair)}
                rows.append({"what": f"{setting}, {rule}: {what}", **numbers})
    return rows


def measure(count: int) -> list[Row]:
    """Return the rows of all settings."""
    return [
        row
        for batch in BATCHES
        for rounded in (False, True)
        for row in compare(batch, rounded, count)
    ]


if __name__ == "__main__":
    report(measure, __doc__.splitlines()[0], turns=7)
