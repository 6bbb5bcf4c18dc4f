"""What to see in figures of one kind: where to look, and what it would mean."""

RATES = (
    "To see: whether each ring lies inside the settings tried or at an edge, beyond which a "
    "better one may lie, and how flat the curves are around it. Where they are flat, a comparison "
    "of methods does not hang on this choice."
)
TABLE = (
    "To see: in each row how far the filled mark, chosen as the paper's was, lies from the cross, "
    "beside its interval, and whether the rows have the paper's order. The open mark shows what "
    "choosing on test images is worth."
)
CURVES = (
    "To see: which methods reach the bottom of the right panel and yet stay apart on the left: "
    "they fit the training images alike, and differ in what else they learn. A method that stands "
    "still on the right does not even fit."
)
ANGLES = (
    "To see: how far each curve is below the grey line, layer by layer. A method that follows "
    "backpropagation would lie near zero, and one whose teaching says nothing on the line."
)
SPREAD = (
    "To see: which rows lie to the right of backpropagation's, beside the length of their "
    "intervals. A method that asks for more tuning has the larger mean distance."
)
HISTOGRAMS = (
    "To see: how wide the histogram of a row is, and how far its median lies from the cross. A "
    "method that is easy to tune has most of its settings close to its best."
)
SETTINGS = (
    "To see: which intervals lie clear of the line at zero, and in which panels all methods lie "
    "on one side of it. A setting that matters to one method alone has a single mark far from the "
    "line."
)
ONE_EACH = (
    "To see: whether each dot lies between other points or at an edge, beyond which a better rate "
    "may lie. Each point is one network, so small bends say nothing."
)
