"""Random weights with the names and shapes of OpenFace's, as others have written them.

Written without looking at cl_facenet/interop: the names are those in Keras-OpenFace's
`utils.py` and OpenFacePytorch's `loadOpenFace.py`, the shapes those in OpenFace's
`nn4.small2.def.lua`. And the network that they were trained for, in NumPy and Torch's
layout, with the padding of OpenFace's newest source (model.graph=openface).
"""

import numpy as np

# block: in, (3x3 reduce, 3x3), (5x5 reduce, 5x5), pooled projection, 1x1
BLOCKS = {
    "3a": (192, (96, 128), (16, 32), 32, 64),
    "3b": (256, (96, 128), (32, 64), 64, 64),
    "3c": (320, (128, 256), (32, 64), None, None),
    "4a": (640, (96, 192), (32, 64), 128, 256),
    "4e": (640, (160, 256), (64, 128), None, None),
    "5a": (1024, (96, 384), None, 96, 256),
    "5b": (736, (96, 384), None, 96, 256),
}
# What small1 (4b alone) and nn4 have instead of its 5a and 5b, and in front of its 4e.
MORE = {
    "4b": (640, (112, 224), (32, 64), 128, 224),
    "4c": (640, (128, 256), (32, 64), 128, 192),
    "4d": (640, (144, 288), (32, 64), 128, 160),
    "5a": (1024, (192, 384), None, 128, 384),
    "5b": (896, (192, 384), None, 128, 384),
}
LAYERS = {"3a": 14, "3b": 15, "3c": 16, "4a": 17, "4e": 18, "5a": 19, "5b": 21}


def units(blocks, layers=LAYERS):
    """Every convolution with its batch norm: names of both in both, and its shape.

    (CSV convolution, CSV bn, Torch convolution, Torch bn, (out, in, height, width))
    """
    yield "conv1", "bn1", "layer1", "layer2", (64, 3, 7, 7)
    yield "conv2", "bn2", "layer6", "layer7", (64, 64, 1, 1)
    yield "conv3", "bn3", "layer9", "layer10", (192, 64, 3, 3)
    for block, (size, by3, by5, projection, single) in blocks.items():
        csv = f"inception_{block}"
        branches = []
        for k, pair in ((3, by3), (5, by5)):
            if pair:
                reduce, expand = pair
                branches.append(
                    [
                        (f"{k}x{k}_conv1", f"{k}x{k}_bn1", 1, (reduce, size, 1, 1)),
                        (f"{k}x{k}_conv2", f"{k}x{k}_bn2", 4, (expand, reduce, k, k)),
                    ]
                )
        branches.append([])
        if projection:
            branches[-1] = [("pool_conv", "pool_bn", 2, (projection, size, 1, 1))]
        if single:
            branches.append([("1x1_conv", "1x1_bn", 1, (single, size, 1, 1))])
        for place, branch in enumerate(branches):
            torch = f"layer{layers.get(block)}.seq_list.{place}"
            for conv, bn, number, shape in branch:
                yield (
                    f"{csv}_{conv}",
                    f"{csv}_{bn}",
                    f"{torch}.{number}_conv",
                    f"{torch}.{number + 1}_bn",
                    shape,
                )


def random_weights(blocks=BLOCKS, dense=(128, 736)):
    """float32 arrays in Torch's layout by (CSV name, Torch name)."""
    rng = np.random.default_rng(0)
    arrays = {}

    def put(csv, torch, *shape, around=0.0, scale=0.1):
        array = around + scale * rng.standard_normal(shape, np.float32)
        arrays[csv, torch] = array.astype(np.float32)

    for conv, bn, torch_conv, torch_bn, shape in units(blocks):
        fan_in = np.prod(shape[1:])
        put(f"{conv}_w", f"{torch_conv}.weight", *shape, scale=(2 / fan_in) ** 0.5)
        put(f"{conv}_b", f"{torch_conv}.bias", shape[0])
        put(f"{bn}_w", f"{torch_bn}.weight", shape[0], around=1)
        put(f"{bn}_b", f"{torch_bn}.bias", shape[0])
        put(f"{bn}_m", f"{torch_bn}.running_mean", shape[0])
        put(f"{bn}_v", f"{torch_bn}.running_var", shape[0], around=1)
    put("dense_w", "layer25.weight", *dense, scale=0.05)
    put("dense_b", "layer25.bias", dense[0])
    return arrays


def write_csv(folder, weights):
    """A file an array, its numbers on one line as in Keras-OpenFace's folder."""
    folder.mkdir()
    for (name, _), array in weights.items():
        numbers = ",".join([f"{x:.9g}" for x in array.ravel().tolist()])
        (folder / f"{name}.csv").write_text(numbers + "\n")
    return folder


def torch_state(weights):
    """By Torch's names, with the counters that newer versions of it add."""
    state = {name: array for (_, name), array in weights.items()}
    counters = {
        name.replace("running_mean", "num_batches_tracked"): np.array(7)
        for name in state
        if name.endswith("running_mean")
    }
    return state | counters


class NumpyOpenFace:
    """The forward pass over the arrays of `random_weights`, by their CSV names."""

    def __init__(self, weights):
        self.w = {csv: array.astype(np.float64) for (csv, _), array in weights.items()}

    def conv_bn_relu(self, x, conv, bn, stride=1):
        kernel = self.w[f"{conv}_w"]
        size = kernel.shape[-1]
        windows = _windows(x, size, stride, size // 2)
        y = np.einsum("chwij,ocij->ohw", windows, kernel, optimize=True)
        y = y + self.w[f"{conv}_b"][:, None, None]
        scale, shift, mean, var = (
            self.w[f"{bn}_{part}"][:, None, None] for part in "wbmv"
        )
        return np.maximum(scale * (y - mean) / np.sqrt(var + 1e-5) + shift, 0)

    def block(self, x, name, pool):
        stride = 2 if name in ("3c", "4e") else 1
        maps, this = [], f"inception_{name}"
        for k in (f"{this}_3x3", f"{this}_5x5"):
            if f"{k}_conv1_w" in self.w:
                reduced = self.conv_bn_relu(x, f"{k}_conv1", f"{k}_bn1")
                maps.append(
                    self.conv_bn_relu(reduced, f"{k}_conv2", f"{k}_bn2", stride)
                )
        pooled = (
            max_pool(x, stride)
            if pool == "max"
            else np.sqrt((_windows(x, 3, 1, 0) ** 2).sum((-2, -1)))
        )
        if f"{this}_pool_conv_w" in self.w:
            pooled = self.conv_bn_relu(pooled, f"{this}_pool_conv", f"{this}_pool_bn")
        gap = (maps[0].shape[1] - pooled.shape[1]) // 2
        maps.append(np.pad(pooled, ((0, 0), (gap, gap), (gap, gap))))
        if f"{this}_1x1_conv_w" in self.w:
            maps.append(self.conv_bn_relu(x, f"{this}_1x1_conv", f"{this}_1x1_bn"))
        return np.concatenate(maps)

    def __call__(self, image):
        """An image [3, 96, 96] -> features [128], not normalised."""
        x = self.conv_bn_relu(image, "conv1", "bn1", 2)
        x = lrn(max_pool(x, 2))
        x = self.conv_bn_relu(x, "conv2", "bn2")
        x = self.conv_bn_relu(x, "conv3", "bn3")
        x = max_pool(lrn(x), 2)
        pools = ("max", "l2", "max", "l2", "max", "l2", "max")
        for name, pool in zip(BLOCKS, pools, strict=True):
            x = self.block(x, name, pool)
        return self.w["dense_w"] @ x.mean((1, 2)) + self.w["dense_b"]


def _windows(x, size, stride, padding):
    """[C, H, W] -> [C, H', W', size, size]."""
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), (1, 2))
    return windows[:, ::stride, ::stride]


def max_pool(x, stride):
    """3x3, padded by one; x is not negative."""
    return _windows(x, 3, stride, 1).max((-2, -1))


def lrn(x):
    """Across five channels, Torch's constants."""
    squares = np.pad(x**2, ((2, 2), (0, 0), (0, 0)))
    total = sum(squares[k : k + len(x)] for k in range(5))
    return x / (1 + 1e-4 / 5 * total) ** 0.75
