"""The networks' forward passes in evaluation, anew, in float64 NumPy.

Written from the published definitions and sharing nothing with the package but the
names in a tree of variables. A picture is an array [height, width, channels]; every
function is of one picture.
"""

import numpy as np

# 1x1 | 3x3 reduce, 3x3 | 5x5 reduce, 5x5 | kind of pool | projection; 0: not there.
NN4_SMALL2 = {
    "3a": (64, 96, 128, 16, 32, "max", 32),
    "3b": (64, 96, 128, 32, 64, "l2", 64),
    "3c": (0, 128, 256, 32, 64, "max", 0),
    "4a": (256, 96, 192, 32, 64, "l2", 128),
    "4e": (0, 160, 256, 64, 128, "max", 0),
    "5a": (256, 96, 384, 0, 0, "l2", 96),
    "5b": (256, 96, 384, 0, 0, "max", 96),
}
HALVING = ("3c", "4e")

# In which the three definitions differ. A pool is (stride, zeros on each side); "same":
# as many zeros as make ceil(size / stride), the odd one after.
DEFINITIONS = {
    "openface": {
        "same": False,
        "max": (1, 1),
        "halving_max": (2, 1),
        "l2": (1, 0),
        "halving_5x5": 5,
        "alpha": 1e-4 / 5,
        "range": 1,
        "order": {},
        "unit": lambda x: x / np.sqrt(np.sum(x**2) + 1e-10),
    },
    "dl4j": {
        "same": True,
        "max": (1, "same"),
        "halving_max": (2, "same"),
        "l2": (1, "same"),
        "halving_5x5": 3,
        "alpha": 1e-4,
        "range": 255,
        "order": dict.fromkeys(("5a", "5b"), ("1x1", "3x3", "pool")),
        "unit": lambda x: x / max(np.sqrt(np.sum(x**2)), 1e-6),
    },
}
DEFINITIONS["openface_released"] = DEFINITIONS["openface"] | {
    "max": (2, 0),
    "halving_max": (2, 0),
    "l2": (3, 0),
}


def zeros_around(x, kernel, stride, padding):
    """x with the zeros that a kernel (height, width) and padding ask for."""
    borders = []
    for size, k in zip(x.shape[:2], kernel, strict=True):
        if padding == "same":
            missing = max((int(np.ceil(size / stride)) - 1) * stride + k - size, 0)
            borders.append((missing // 2, missing - missing // 2))
        elif padding == "half":
            borders.append((k // 2, k // 2))
        else:
            borders.append((padding, padding))
    return np.pad(x, (*borders, (0, 0)))


def taps(x, kernel, stride, padding):
    """For each place of a kernel, what it sees: (row, column, [H', W', C])."""
    x = zeros_around(x, kernel, stride, padding)
    height = (x.shape[0] - kernel[0]) // stride + 1
    width = (x.shape[1] - kernel[1]) // stride + 1
    for row in range(kernel[0]):
        for column in range(kernel[1]):
            rows = slice(row, row + stride * (height - 1) + 1, stride)
            columns = slice(column, column + stride * (width - 1) + 1, stride)
            yield row, column, x[rows, columns]


def convolve(x, weights, stride, padding):
    """Cross-correlation with weights [k, l, I, O]."""
    weights = np.asarray(weights, np.float64)
    return sum(
        seen @ weights[row, column]
        for row, column, seen in taps(x, weights.shape[:2], stride, padding)
    )


def max_pool(x, window, stride, padding):
    """Maps behind a ReLU are never negative: zeros around them change no maximum."""
    assert x.min() >= 0 or padding == 0
    return np.max([seen for *_, seen in taps(x, (window,) * 2, stride, padding)], 0)


def l2_pool(x, window, stride, padding):
    return np.sqrt(sum(s**2 for *_, s in taps(x, (window,) * 2, stride, padding)))


def response_norm(x, alpha):
    y = np.empty_like(x)
    for c in range(x.shape[-1]):
        near = x[..., max(c - 2, 0) : c + 3]
        y[..., c] = x[..., c] / (1 + alpha * np.sum(near**2, -1)) ** 0.75
    return y


def batch_norm(x, params, stats, epsilon):
    gain = params["scale"] / np.sqrt(np.asarray(stats["var"], np.float64) + epsilon)
    return (x - stats["mean"]) * gain + params["bias"]


def unit(x, params, stats, stride=1, padding="half", epsilon=1e-5):
    """Convolution, with a bias or without, batch normalisation, ReLU."""
    x = convolve(x, params["conv"]["kernel"], stride, padding)
    x = x + params["conv"].get("bias", 0)
    return np.maximum(batch_norm(x, params["bn"], stats["bn"], epsilon), 0)


def in_the_middle(maps):
    """Maps side by side, those that are too small in the middle of zeros."""
    height, width = np.max([m.shape[:2] for m in maps], 0)
    big = np.zeros((height, width, sum(m.shape[2] for m in maps)))
    start = 0
    for m in maps:
        top, left = (height - m.shape[0]) // 2, (width - m.shape[1]) // 2
        channels = slice(start, start + m.shape[2])
        big[top : top + m.shape[0], left : left + m.shape[1], channels] = m
        start += m.shape[2]
    return big


def inception(x, name, params, stats, how):
    one, _, _, _, five, pool, projection = NN4_SMALL2[name]
    halving = name in HALVING
    stride, padding = 1 + halving, "same" if how["same"] else "half"

    def branch(name, kernel):
        params_, stats_ = params[name], stats[name]
        assert params_["expand"]["conv"]["kernel"].shape[0] == kernel
        y = unit(x, params_["reduce"], stats_["reduce"], 1, padding)
        return unit(y, params_["expand"], stats_["expand"], stride, padding)

    maps = {"3x3": branch("branch_3x3", 3)}
    if five:
        maps["5x5"] = branch("branch_5x5", how["halving_5x5"] if halving else 5)
    if pool == "l2":
        maps["pool"] = l2_pool(x, 3, *how["l2"])
    else:
        maps["pool"] = max_pool(x, 3, *how["halving_max" if halving else "max"])
    if projection:
        behind, its = (tree["branch_pool"]["project"] for tree in (params, stats))
        maps["pool"] = unit(maps["pool"], behind, its)
    if one:
        maps["1x1"] = unit(x, params["branch_1x1"], stats["branch_1x1"])
    order = how["order"].get(name, ("3x3", "5x5", "pool", "1x1"))
    return in_the_middle([maps[branch] for branch in order if branch in maps])


def nn4_small2(variables, image, graph):
    """The embedding of one image [96, 96, 3] in [0, 1]."""
    how = DEFINITIONS[graph]
    params, stats = variables["params"]["trunk"], variables["batch_stats"]["trunk"]
    padding = "same" if how["same"] else "half"
    pool_padding = "same" if how["same"] else 1

    def stem(x, name, stride=1):
        return unit(x, params[name], stats[name], stride, padding)

    x = stem(np.asarray(image, np.float64) * how["range"], "stem_7x7", 2)
    x = response_norm(max_pool(x, 3, 2, pool_padding), how["alpha"])
    x = stem(stem(x, "stem_1x1"), "stem_3x3")
    x = max_pool(response_norm(x, how["alpha"]), 3, 2, pool_padding)
    for name in NN4_SMALL2:
        block = f"inception_{name}"
        x = inception(x, name, params[block], stats[block], how)
    last = variables["params"]["embedding"]
    return how["unit"](x.mean((0, 1)) @ last["kernel"] + last["bias"])


def chain(x, params, stats, layout):
    """Units of Inception-ResNet; layout: (stride, padding) of each."""
    for number, (stride, padding) in enumerate(layout, start=1):
        name = f"unit{number}"
        x = unit(x, params[name], stats[name], stride, padding, epsilon=1e-3)
    return x


SAME, DOWN, VALID = (1, "half"), (2, 0), (1, 0)


def residual(x, params, stats, lengths, scale, relu=True):
    """A residual block of branches of so many units."""
    maps = [
        chain(x, params[f"branch{n}"], stats[f"branch{n}"], [SAME] * length)
        for n, length in enumerate(lengths, start=1)
    ]
    up = np.concatenate(maps, -1) @ params["up"]["kernel"][0, 0] + params["up"]["bias"]
    y = x + scale * up
    return np.maximum(y, 0) if relu else y


def reduction(x, params, stats, layouts):
    maps = [
        chain(x, params[f"branch{n}"], stats[f"branch{n}"], layout)
        for n, layout in enumerate(layouts, start=1)
    ]
    return np.concatenate([*maps, max_pool(x, 3, 2, 0)], -1)


def inception_resnet_v1(variables, image):
    """The embedding of one image [H, W, 3] in [0, 1]."""
    params, stats = variables["params"]["trunk"], variables["batch_stats"]["trunk"]
    x = (np.asarray(image, np.float64) * 255 - 127.5) / 128
    stem = {"1a": DOWN, "2a": VALID, "2b": SAME, "3b": SAME, "4a": VALID, "4b": DOWN}
    for name, (stride, padding) in stem.items():
        if name == "3b":
            x = max_pool(x, 3, 2, 0)
        unit_params, unit_stats = params[f"stem_{name}"], stats[f"stem_{name}"]
        x = unit(x, unit_params, unit_stats, stride, padding, epsilon=1e-3)
    blocks = (
        *[(f"block35_{n}", (1, 2, 3), 0.17) for n in range(1, 6)],
        ("mixed_6a", ([DOWN], [SAME, SAME, DOWN]), None),
        *[(f"block17_{n}", (1, 3), 0.10) for n in range(1, 11)],
        ("mixed_7a", ([SAME, DOWN], [SAME, DOWN], [SAME, SAME, DOWN]), None),
        *[(f"block8_{n}", (1, 3), 0.20) for n in range(1, 6)],
    )
    for name, layout, scale in blocks:
        if scale is None:
            x = reduction(x, params[name], stats[name], layout)
        else:
            x = residual(x, params[name], stats[name], layout, scale)
    last = "block8_6"
    x = residual(x, params[last], stats[last], (1, 3), 1.0, relu=False)
    last, its = variables["params"]["embedding"], variables["batch_stats"]["embedding"]
    x = batch_norm(
        x.mean((0, 1)) @ last["dense"]["kernel"], last["bn"], its["bn"], 1e-3
    )
    return x / max(np.sqrt(np.sum(x**2)), 1e-12)


def face_resnet(variables, image):
    """The embedding of one image [112, 112, 3] in [0, 1]."""
    params = variables["params"]["trunk"]

    def conv(x, layer, padding):
        y = convolve(x, layer["conv"]["kernel"], 1, padding) + layer["conv"]["bias"]
        return np.where(y > 0, y, layer["prelu"]["slope"] * y)

    x = (np.asarray(image, np.float64)[:, 8:104] * 255 - 127.5) / 128
    x = max_pool(conv(conv(x, params["conv1a"], 0), params["conv1b"], 0), 2, 2, 0)
    for stage, units in ((2, 1), (3, 2), (4, 5), (5, 3)):
        for number in range(1, units + 1):
            layers = params[f"res{stage}_{number}"]
            x = x + conv(conv(x, layers["conv1"], 1), layers["conv2"], 1)
        if stage < 5:
            x = max_pool(conv(x, params[f"conv{stage}"], 0), 2, 2, 0)
    last = variables["params"]["embedding"]
    x = x.reshape(-1) @ last["kernel"] + last["bias"]
    return x / np.sqrt(np.sum(x**2) + 1e-10)


def vgg_trunk(params, image, repeats):
    """fc6 of one image in [0, 1], behind stages of so many convolutions."""
    x = np.asarray(image, np.float64) * 255 - (129.1863, 104.7624, 93.5940)
    for stage, number in enumerate(repeats, start=1):
        for n in range(1, number + 1):
            layer = params[f"conv{stage}_{n}"]
            x = np.maximum(convolve(x, layer["kernel"], 1, 1) + layer["bias"], 0)
        x = max_pool(x, 2, 2, 0)
    fc6 = params["fc6"]
    return np.maximum(x.reshape(-1) @ fc6["kernel"] + fc6["bias"], 0)
