"""NN4.Small2 with softmax and center loss in PyTorch, to measure against.

The same table of blocks, padding, pooling and normalisation as model.graph=openface;
OpenFace's own Torch modules where PyTorch has them. Layers stand in the order in which
OpenFace lists them, so that weights can be carried over and outputs compared.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from cl_facenet.models.inception import NN4_SMALL2, Row

LOGIT_SCALE = 8.0


def unit(inputs: int, outputs: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    """Convolution, batch normalisation, ReLU."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2)
    return [conv, nn.BatchNorm2d(outputs), nn.ReLU()]


class L2Pool(nn.Module):
    """Root of the sum of squares over 3x3 windows."""

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C, H - 2, W - 2]."""
        total = functional.avg_pool2d(x.square(), 3, 1, divisor_override=1)
        # The slope of the root is infinite at 0.
        return total.clamp_min(1e-20).sqrt()


class Inception(nn.Module):
    """The branches of one row of the table, side by side."""

    def __init__(self, inputs: int, row: Row) -> None:
        super().__init__()
        branches = []
        for kernel, widths in ((3, row.conv_3x3), (5, row.conv_5x5)):
            if widths:
                reduce, expand = widths
                layers = unit(inputs, reduce, 1)
                layers += unit(reduce, expand, kernel, row.stride)
                branches.append(nn.Sequential(*layers))
        pool = nn.MaxPool2d(3, row.stride, 1) if row.pool == "max" else L2Pool()
        project = unit(inputs, row.projection, 1) if row.projection else []
        # A smaller map is set in the middle of zeros, after its projection.
        room = [nn.ZeroPad2d(1)] if row.pool == "l2" else []
        branches.append(nn.Sequential(pool, *project, *room))
        if row.conv_1x1:
            branches.append(nn.Sequential(*unit(inputs, row.conv_1x1, 1)))
        self.branches = nn.ModuleList(branches)
        widths = (row.conv_3x3, row.conv_5x5)
        self.outputs = sum(pair[1] for pair in widths if pair)
        self.outputs += (row.projection or inputs) + (row.conv_1x1 or 0)

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, H, W] -> [B, outputs, H / stride, W / stride]."""
        return torch.cat([branch(x) for branch in self.branches], 1)


class NN4Small2(nn.Module):
    """Images [B, 3, 96, 96] in [0, 1] -> embedding [B, 128] of unit length."""

    def __init__(self) -> None:
        super().__init__()
        stem = [
            *unit(3, 64, 7, 2),
            nn.MaxPool2d(3, 2, 1),
            nn.LocalResponseNorm(5, 1e-4, 0.75),
            *unit(64, 64, 1),
            *unit(64, 192, 3),
            nn.LocalResponseNorm(5, 1e-4, 0.75),
            nn.MaxPool2d(3, 2, 1),
        ]
        blocks: list[nn.Module] = []
        channels = 192
        for row in NN4_SMALL2:
            block = Inception(channels, row)
            channels = block.outputs
            blocks.append(block)
        self.trunk = nn.Sequential(*stem, *blocks)
        self.embedding = nn.Linear(channels, 128)

    def forward(self, images: Tensor) -> Tensor:
        """As the class says."""
        features = self.embedding(self.trunk(images).mean((2, 3)))
        return functional.normalize(features, eps=1e-5)


class Trainer:
    """What a training step moves: network, classifier, Adam and the centers."""

    def __init__(self, num_classes: int, *, compiled: bool) -> None:
        self.net = NN4Small2().to(memory_format=torch.channels_last)
        self.head = nn.Linear(128, num_classes)
        self.centers = torch.zeros(num_classes, 128)
        parameters = [*self.net.parameters(), *self.head.parameters()]
        self.adam = torch.optim.Adam(parameters, 1e-3, fused=True)
        self.loss_of = torch.compile(self._loss_of) if compiled else self._loss_of

    def _loss_of(
        self, images: Tensor, labels: Tensor, own_centers: Tensor
    ) -> tuple[Tensor, Tensor]:
        x = self.net(images.float() / 255)
        softmax = functional.cross_entropy(self.head(LOGIT_SCALE * x), labels)
        center = 0.5 * (x - own_centers).square().sum(1).mean()
        return softmax + center, x.detach()

    def step(self, images: Tensor, labels: Tensor, alpha: float = 0.5) -> float:
        """uint8 images [B, 3, 96, 96], channels last, and labels [B]: the loss."""
        own = self.centers[labels]
        loss, x = self.loss_of(images, labels, own)
        self.adam.zero_grad(set_to_none=True)
        loss.backward()
        self.adam.step()
        count = (labels[:, None] == labels).sum(1, keepdim=True)
        with torch.no_grad():
            self.centers.index_add_(0, labels, alpha * (x - own) / (1 + count))
        return loss.item()
