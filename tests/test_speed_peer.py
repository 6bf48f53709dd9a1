"""The PyTorch network that we measure against is the same network."""

import numpy as np
import pytest
from openface_like import BLOCKS, NumpyOpenFace, random_weights, units

torch = pytest.importorskip("torch", reason="extra `bench`")


def test_pytorch_s_network_computes_what_openface_s_does():
    from experiments.speed.torch_nn4 import NN4Small2

    weights = random_weights()
    given = {csv: torch.from_numpy(array.copy()) for (csv, _), array in weights.items()}
    net = NN4Small2().eval()
    layers = [m for m in net.modules() if isinstance(m, torch.nn.Conv2d)]
    norms = [m for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    with torch.no_grad():
        for conv, bn, (csv, csv_bn, *_) in zip(
            layers, norms, units(BLOCKS), strict=True
        ):
            conv.weight.copy_(given[f"{csv}_w"])
            conv.bias.copy_(given[f"{csv}_b"])
            for array, letter in (
                (bn.weight, "w"),
                (bn.bias, "b"),
                (bn.running_mean, "m"),
                (bn.running_var, "v"),
            ):
                array.copy_(given[f"{csv_bn}_{letter}"])
        net.embedding.weight.copy_(given["dense_w"])
        net.embedding.bias.copy_(given["dense_b"])
        images = np.random.default_rng(1).random((1, 3, 96, 96), np.float32)
        embedding = net(torch.from_numpy(images))[0].numpy()
    features = NumpyOpenFace(weights)(images[0].astype(np.float64))
    np.testing.assert_allclose(
        embedding, features / np.linalg.norm(features), atol=1e-5
    )
