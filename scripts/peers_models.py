"""The standard workloads as other people would write them in PyTorch, for scripts/peers.py: with the libraries normflows, nflows, zuko
and torchdiffeq as their documentation uses them, and "tuned": the same model in plain PyTorch, without what a library's generality
costs. Every model has loss(x), the mean of -log p up to a constant, and most have sample(n)."""

import math

import torch
from torch import nn
from torch.nn import functional as F

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def gaussian(z):
    """log N(z; 0, 1), summed over all but the first dimension."""
    return -(0.5 * z.square() + HALF_LOG_2PI).flatten(1).sum(1)


# Glow, tuned: actnorm is folded into the 1x1 convolution's matrix, both are one convolution.


class ActConv(nn.Module):
    """A convolution, an actnorm and a ReLU."""

    def __init__(self, inputs, outputs, size):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False)
        self.bias = nn.Parameter(torch.zeros(outputs, 1, 1))
        self.log_scale = nn.Parameter(torch.zeros(outputs, 1, 1))

    def forward(self, x):
        return F.relu((self.conv(x) + self.bias) * self.log_scale.exp())


class FlowStep(nn.Module):
    """One step of Glow (Kingma and Dhariwal, 2018): actnorm, 1x1 convolution in its LU form, affine coupling."""

    def __init__(self, channels, width):
        super().__init__()
        self.channels, self.kept = channels, channels // 2
        self.shift = nn.Parameter(0.1 * torch.randn(channels))
        self.log_scale = nn.Parameter(0.1 * torch.randn(channels))
        rotation, _ = torch.linalg.qr(torch.randn(channels, channels))
        order, lower, upper = torch.linalg.lu(rotation)
        pivots = upper.diagonal()
        self.register_buffer("order", order)
        self.register_buffer("signs", pivots.sign())
        self.register_buffer("below", torch.ones(channels, channels).tril(-1))
        self.register_buffer("identity", torch.eye(channels))
        self.lower, self.upper = nn.Parameter(lower), nn.Parameter(upper.triu(1))
        self.log_pivots = nn.Parameter(pivots.abs().log())
        self.net = nn.Sequential(ActConv(self.kept, width, 3), ActConv(width, width, 1), nn.Conv2d(width, 2 * (channels - self.kept), 3, padding=1))
        with torch.no_grad():
            self.net[2].weight.mul_(0.1)

    def matrix(self):
        lower = self.lower * self.below + self.identity
        upper = self.upper * self.below.T + torch.diag(self.signs * self.log_pivots.exp())
        return self.order @ lower @ upper

    def forward(self, x):
        scale, mix = self.log_scale.exp(), self.matrix()
        x = F.conv2d(x, (mix * scale)[:, :, None, None], mix @ (scale * self.shift))
        kept, moved = x.split([self.kept, self.channels - self.kept], 1)
        shift, gate = self.net(kept).chunk(2, 1)
        log_gate = F.logsigmoid(gate + 2)
        pixels = x.shape[2] * x.shape[3]
        log_det = log_gate.flatten(1).sum(1) + pixels * (self.log_scale.sum() + self.log_pivots.sum())
        return torch.cat([kept, (moved + shift) * log_gate.exp()], 1), log_det

    def inverse(self, y):
        kept, moved = y.split([self.kept, self.channels - self.kept], 1)
        shift, gate = self.net(kept).chunk(2, 1)
        x = torch.cat([kept, moved / torch.sigmoid(gate + 2) - shift], 1)
        unmix = torch.linalg.inv(self.matrix())
        x = F.conv2d(x, (unmix / self.log_scale.exp()[:, None])[:, :, None, None])
        return x - self.shift[:, None, None]


class TunedGlow(nn.Module):
    """Levels of steps between squeezes; a convolution predicts what a split leaves behind."""

    def __init__(self, channels, side, levels, steps, width):
        super().__init__()
        self.dims, self.shapes = channels * side * side, []
        self.levels, self.priors = nn.ModuleList(), nn.ModuleList()
        for level in range(levels):
            channels, side = 4 * channels, side // 2
            self.shapes.append((channels, side, side))
            self.levels.append(nn.ModuleList(FlowStep(channels, width) for _ in range(steps)))
            if level < levels - 1:
                channels //= 2
                self.priors.append(nn.Conv2d(channels, 2 * channels, 3, padding=1))

    def loss(self, x):
        log_p = 0
        for level, steps in enumerate(self.levels):
            x = F.pixel_unshuffle(x, 2)
            for step in steps:
                x, log_det = step(x)
                log_p = log_p + log_det
            if level < len(self.priors):
                x, left = x.chunk(2, 1)
                mean, log_std = self.priors[level](x).chunk(2, 1)
                log_p = log_p + gaussian((left - mean) * (-log_std).exp()) - log_std.flatten(1).sum(1)
        return -(log_p + gaussian(x)).mean() / (self.dims * math.log(2))

    def sample(self, n):
        device = self.levels[0][0].shift.device
        x = torch.randn(n, *self.shapes[-1], device=device)
        for level in reversed(range(len(self.levels))):
            if level < len(self.priors):
                mean, log_std = self.priors[level](x).chunk(2, 1)
                x = torch.cat([x, mean + log_std.exp() * torch.randn_like(mean)], 1)
            for step in reversed(self.levels[level]):
                x = step.inverse(x)
            x = F.pixel_shuffle(x, 2)
        return x


# Vectors, tuned.


class AffineCoupling(nn.Module):
    """One half of the features through an MLP to shifts and bounded log scales of the other."""

    def __init__(self, dims, hidden, depth, swapped):
        super().__init__()
        self.swapped, self.cut = swapped, dims // 2
        kept, moved = (dims - self.cut, self.cut) if swapped else (self.cut, dims - self.cut)
        layers, width = [], kept
        for _ in range(depth):
            layers += [nn.Linear(width, hidden), nn.ReLU()]
            width = hidden
        self.net = nn.Sequential(*layers, nn.Linear(width, 2 * moved))

    def split(self, x):
        first, second = x[:, : self.cut], x[:, self.cut :]
        return (second, first) if self.swapped else (first, second)

    def join(self, kept, moved):
        return torch.cat((moved, kept) if self.swapped else (kept, moved), 1)

    def forward(self, x):
        kept, moved = self.split(x)
        log_scale, shift = self.net(kept).chunk(2, 1)
        log_scale = 2 * torch.tanh(log_scale)
        return self.join(kept, moved * log_scale.exp() + shift), log_scale.sum(1)

    def inverse(self, y):
        kept, moved = self.split(y)
        log_scale, shift = self.net(kept).chunk(2, 1)
        return self.join(kept, (moved - shift) * (-2 * torch.tanh(log_scale)).exp())


class Masked(nn.Linear):
    """A linear layer whose weights stay masked because their gradients are, which costs less than a mask in every pass."""

    def __init__(self, mask):
        super().__init__(mask.shape[1], mask.shape[0])
        self.register_buffer("mask", mask.float())
        with torch.no_grad():
            self.weight.mul_(self.mask)
        self.weight.register_hook(self.mask.mul)


class AutoregressiveLayer(nn.Module):
    """MADE (Germain et al., 2015) with affine heads: one layer of a MAF."""

    def __init__(self, dims, hidden, depth, reverse):
        super().__init__()
        inputs = torch.arange(dims).flip(0) if reverse else torch.arange(dims)
        inner = torch.arange(hidden) % (dims - 1)
        layers, below = [], inputs
        for _ in range(depth):
            layers += [Masked(inner[:, None] >= below[None]), nn.ReLU()]
            below = inner
        self.net = nn.Sequential(*layers, Masked(torch.cat([inputs, inputs])[:, None] > inner[None]))

    def forward(self, x):
        mean, log_std = self.net(x).chunk(2, 1)
        log_std = 2 * torch.tanh(log_std)
        return (x - mean) * (-log_std).exp(), -log_std.sum(1)


class Layers(nn.Module):
    """Layers one after another under a standard normal prior."""

    def __init__(self, dims, layers):
        super().__init__()
        self.dims, self.layers = dims, nn.ModuleList(layers)
        if all(hasattr(layer, "inverse") for layer in layers):
            self.sample = self.draw

    def loss(self, x):
        total = 0
        for layer in self.layers:
            x, log_det = layer(x)
            total = total + log_det
        return -(total + gaussian(x)).mean()

    def draw(self, n):
        x = torch.randn(n, self.dims, device=next(self.parameters()).device)
        for layer in reversed(self.layers):
            x = layer.inverse(x)
        return x


def tuned_realnvp(dims, couplings, hidden, depth):
    return Layers(dims, [AffineCoupling(dims, hidden, depth, i % 2 == 1) for i in range(couplings)])


def tuned_maf(dims, layers, hidden, depth):
    return Layers(dims, [AutoregressiveLayer(dims, hidden, depth, i % 2 == 1) for i in range(layers)])


# Libraries.


def normflows_glow(channels, side, levels, steps, width):
    """As in the library's example on CIFAR-10: levels from the last to the first."""
    import normflows as nf

    bases, merges, flows = [], [], []
    for i in range(levels):
        depth = levels - i  # squeezes between the image and this level
        blocks = [nf.flows.GlowBlock(channels * 2 ** (depth + 1), width, split_mode="channel", scale=True) for _ in range(steps)]
        flows.append(blocks + [nf.flows.Squeeze()])
        latent = channels * 2 ** (depth + 1 if i == 0 else depth)
        bases.append(nf.distributions.DiagGaussian((latent, side >> depth, side >> depth)))
        if i > 0:
            merges.append(nf.flows.Merge())
    model = nf.MultiscaleFlow(bases, flows, merges)
    model.loss = model.forward_kld
    return model


def normflows_realnvp(dims, couplings, hidden, depth):
    import normflows as nf

    flows, kept = [], (dims + 1) // 2
    for _ in range(couplings):
        net = nf.nets.MLP([kept] + [hidden] * depth + [2 * (dims - kept)], init_zeros=False)
        flows += [nf.flows.AffineCouplingBlock(net), nf.flows.Permute(dims, mode="swap")]
    model = nf.NormalizingFlow(nf.distributions.DiagGaussian(dims), flows)
    model.loss = model.forward_kld
    return model


def nflows_flow(dims, transforms):
    from nflows.distributions.normal import StandardNormal
    from nflows.flows.base import Flow
    from nflows.transforms.base import CompositeTransform

    model = Flow(CompositeTransform(transforms), StandardNormal([dims]))
    model.loss = lambda x: -model.log_prob(x).mean()
    return model


def nflows_maf(dims, layers, hidden):
    from nflows.transforms.autoregressive import MaskedAffineAutoregressiveTransform
    from nflows.transforms.permutations import ReversePermutation

    transforms = []
    for _ in range(layers):
        transforms += [ReversePermutation(dims), MaskedAffineAutoregressiveTransform(dims, hidden, num_blocks=2, use_residual_blocks=False)]
    return nflows_flow(dims, transforms)


def nflows_nsf(dims, layers, hidden, bins):
    from nflows.nn.nets import ResidualNet
    from nflows.transforms.coupling import PiecewiseRationalQuadraticCouplingTransform
    from nflows.transforms.permutations import RandomPermutation

    def net(inputs, outputs):
        return ResidualNet(inputs, outputs, hidden_features=hidden, num_blocks=2)

    transforms = []
    for i in range(layers):
        mask = (torch.arange(dims) + i) % 2
        transforms += [RandomPermutation(dims), PiecewiseRationalQuadraticCouplingTransform(mask, net, num_bins=bins, tails="linear", tail_bound=3.0)]
    return nflows_flow(dims, transforms)


def zuko_flow(kind, dims, **options):
    import zuko

    model = getattr(zuko.flows, kind)(features=dims, **options)
    model.loss = lambda x: -model().log_prob(x).mean()
    model.sample = lambda n: model().sample((n,))
    return model


# FFJORD with torchdiffeq.


class GatedLayer(nn.Module):
    """FFJORD's concat-squash layer (Grathwohl et al., 2019): the time gates and shifts a linear map."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.linear, self.gate, self.shift = nn.Linear(inputs, outputs), nn.Linear(1, outputs), nn.Linear(1, outputs, bias=False)

    def forward(self, t, x):
        return self.linear(x) * torch.sigmoid(self.gate(t)) + self.shift(t)


class FFJORD(nn.Module):
    """dz/dt by gated layers with tanh, its trace exactly, one derivative a dimension; solved by dopri5 at a tolerance of 1e-5."""

    def __init__(self, dims, hidden, adjoint):
        super().__init__()
        sizes = [dims, *hidden, dims]
        self.dims, self.adjoint = dims, adjoint
        self.net = nn.ModuleList(GatedLayer(a, b) for a, b in zip(sizes, sizes[1:]))

    def forward(self, t, state):
        t = t.reshape(1, 1)
        with torch.enable_grad():
            x = state[0].requires_grad_(True)
            h = x
            for layer in self.net[:-1]:
                h = torch.tanh(layer(t, h))
            h = self.net[-1](t, h)
            trace = 0
            for i in range(self.dims):
                trace = trace + torch.autograd.grad(h[:, i].sum(), x, create_graph=True)[0][:, i]
        return h, -trace

    def loss(self, x):
        import torchdiffeq

        solve = torchdiffeq.odeint_adjoint if self.adjoint else torchdiffeq.odeint
        times = torch.tensor([0.0, 1.0], device=x.device)
        z, lost = solve(self, (x, x.new_zeros(len(x))), times, rtol=1e-5, atol=1e-5, method="dopri5")
        return -(gaussian(z[-1]) - lost[-1]).mean()


# The table.


class Workload:
    """A preset of ours, the batches that steps and samples are timed with, and the models of the others by the name of what makes them.
    compiles says whether torch.compile is tried."""

    def __init__(self, preset, batch, shape, models, compiles=True, drawn=None):
        self.preset, self.batch, self.shape, self.models, self.compiles = preset, batch, shape, models, compiles
        self.drawn = drawn or (64 if self.images else 1000)

    @property
    def images(self):
        return len(self.shape) == 3

    def data(self, n):
        """Noise: only time is read here."""
        return torch.rand(n, *self.shape) - 0.5 if self.images else torch.randn(n, *self.shape)


def glow(preset, shape, levels, steps, width):
    c, side, _ = shape
    return Workload(preset, 64, shape, {
        "tuned": lambda: TunedGlow(c, side, levels, steps, width),
        "normflows": lambda: normflows_glow(c, side, levels, steps, width),
    })


def realnvp(preset, batch, dims, couplings, hidden):
    return Workload(preset, batch, (dims,), {
        "tuned": lambda: tuned_realnvp(dims, couplings, hidden, 2),
        "normflows": lambda: normflows_realnvp(dims, couplings, hidden, 2),
    })


WORKLOADS = [
    glow("glow-mnist", (1, 32, 32), 3, 8, 128),
    glow("glow-cifar10", (3, 32, 32), 3, 32, 512),
    glow("glow-digits", (1, 8, 8), 2, 8, 64),
    realnvp("realnvp-tab", 512, 63, 10, 512),
    realnvp("realnvp-tab", 64, 63, 10, 512),
    realnvp("realnvp-2d", 512, 2, 32, 64),
    Workload("maf-tab", 512, (63,), {
        "tuned": lambda: tuned_maf(63, 5, 512, 2),
        "nflows": lambda: nflows_maf(63, 5, 512),
        "zuko": lambda: zuko_flow("MAF", 63, transforms=5, hidden_features=(512, 512)),
    }),
    Workload("nsf-tab", 512, (63,), {
        "nflows": lambda: nflows_nsf(63, 10, 256, 8),
        "zuko": lambda: zuko_flow("NSF", 63, bins=8, transforms=10, passes=2, hidden_features=(256,) * 4),
    }),
    Workload("ffjord-2d", 512, (2,), {
        "torchdiffeq": lambda: FFJORD(2, [64, 64, 64], adjoint=False),
        "torchdiffeq adjoint": lambda: FFJORD(2, [64, 64, 64], adjoint=True),
        "zuko": lambda: zuko_flow("CNF", 2, hidden_features=(64, 64, 64), exact=True),
    }, compiles=False),
]
