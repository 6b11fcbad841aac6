#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Encoders and classifiers of this library as PyTorch modules.

    scripts/to_pytorch.py classifier_100_pretrained.safetensors     # writes classifier_100_pretrained.pt

In a program:

    model = to_pytorch.load("classifier_100_pretrained.safetensors")
    logits = model(images)                # (N,C,H,W), 0 to 255
    features = model.features(images)     # (N,F)

The file's metadata say which network it is, how images are normalised (model.mean, model.stddev) and what the classes
are called (model.classes). model.encoder is the network alone; it takes normalised images. Needs numpy and torch.
"""
import argparse
import json
import pathlib
import struct
import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional

KINDS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8"}


def read_safetensors(path):
    """The tensors of a safetensors file as float arrays by name, and its metadata."""
    data = pathlib.Path(path).read_bytes()
    if len(data) < 8 or struct.unpack("<Q", data[:8])[0] > len(data) - 8:
        raise ValueError(f"{path}: no safetensors file")
    begin = 8 + struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:begin])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        raw = data[begin + first:begin + last]
        if entry["dtype"] == "BF16":
            array = (np.frombuffer(raw, "<u2").astype("<u4") << 16).view("<f4")
        elif entry["dtype"] in KINDS:
            array = np.frombuffer(raw, KINDS[entry["dtype"]])
        else:
            raise ValueError(f"{path}: tensor '{name}' has dtype {entry['dtype']}")
        tensors[name] = array.astype("<f4").reshape(entry["shape"])
    return tensors, metadata


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation of each pixel's channels."""

    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def default_groups(channels):
    for groups in range(min(32, channels // 4), 1, -1):
        if channels % groups == 0:
            return groups
    return 1


def make_norm(channels, kind, affine):
    if kind == "group":
        return nn.GroupNorm(default_groups(channels), channels, affine=affine)
    if kind == "layer":
        return ChannelNorm(channels, elementwise_affine=affine)
    return nn.BatchNorm2d(channels, affine=affine)


class ResidualBlock(nn.Module):
    def __init__(self, inputs, outputs, stride, norm, affine):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = make_norm(outputs, norm, affine)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = make_norm(outputs, norm, affine)
        self.shortcut = self.shortcut_norm = None
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.shortcut_norm = make_norm(outputs, norm, affine)

    def forward(self, x):
        inner = functional.relu(self.norm1(self.conv1(x)))
        residual = x if self.shortcut is None else self.shortcut_norm(self.shortcut(x))
        return functional.relu(self.norm2(self.conv2(inner)) + residual)


class ResidualNetwork(nn.Module):
    """`resnet`, whose every stage halves the image, and `resnet18`, whose first one does not."""

    def __init__(self, d):
        super().__init__()
        self.stem = nn.Conv2d(d["in_channels"], d["width"], 3, 1, 1, bias=False)
        self.stem_norm = make_norm(d["width"], d["norm"], d["affine"])
        first_halves = d["network"] == "resnet"
        channels = d["width"]
        self.blocks = []  # a list, not a ModuleList: they are children under their own names
        for number in range(1, d["stages"] + 1):
            stage = nn.Module()
            for block in range(d["blocks_per_stage"]):
                halves = block == 0 and (number > 1 or first_halves)
                outputs = 2 * channels if halves else channels
                made = ResidualBlock(channels, outputs, 2 if halves else 1, d["norm"], d["affine"])
                channels = outputs
                self.blocks.append(made)
                stage.add_module(f"block{block}", made)
            alone = d["network"] == "resnet" and d["blocks_per_stage"] == 1
            self.add_module(f"stage{number}", made if alone else stage)
        self.feature_channels = channels

    def forward(self, x):
        x = functional.relu(self.stem_norm(self.stem(x)))
        for block in self.blocks:
            x = block(x)
        return x


class HalvingConv(nn.Module):
    """2x2 of stride 2; a last odd row or column meets zeros."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 2, 2)

    def forward(self, x):
        return self.conv(functional.pad(x, (0, x.shape[3] % 2, 0, x.shape[2] % 2)))


class ConvNextBlock(nn.Module):
    def __init__(self, channels, affine):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 7, 1, 3, groups=channels)
        self.norm = make_norm(channels, "layer", affine)
        self.conv2 = nn.Conv2d(channels, 4 * channels, 1)
        self.conv3 = nn.Conv2d(4 * channels, channels, 1)

    def forward(self, x):
        return x + self.conv3(functional.gelu(self.conv2(self.norm(self.conv1(x)))))


class ConvNext(nn.Module):
    def __init__(self, d):
        super().__init__()
        channels = d["width"]
        self.stem = HalvingConv(d["in_channels"], channels)
        self.stem_norm = make_norm(channels, "layer", d["affine"])
        self.layers = []
        for number in range(1, d["stages"] + 1):
            stage = nn.Module()
            if number > 1:
                stage.norm = make_norm(channels, "layer", d["affine"])
                stage.halving = HalvingConv(channels, 2 * channels)
                self.layers += [stage.norm, stage.halving]
                channels *= 2
            for block in range(d["blocks_per_stage"]):
                made = ConvNextBlock(channels, d["affine"])
                stage.add_module(f"block{block}", made)
                self.layers.append(made)
            if number == d["stages"]:
                stage.last_norm = make_norm(channels, "layer", d["affine"])
                self.layers.append(stage.last_norm)
            self.add_module(f"stage{number}", stage)
        self.feature_channels = channels

    def forward(self, x):
        x = self.stem_norm(self.stem(x))
        for layer in self.layers:
            x = layer(x)
        return x


NETWORKS = {"resnet": ResidualNetwork, "resnet18": ResidualNetwork, "convnext": ConvNext}


def make_encoder(description):
    d = {"network": "resnet", "norm": "batch", **description}
    if d["network"] not in NETWORKS:
        raise ValueError(f"network '{d['network']}', expected one of {', '.join(NETWORKS)}")
    return NETWORKS[d["network"]](d)


class Model(nn.Module):
    """An encoder with what its images are normalised by and, of a classifier, a linear head."""

    def __init__(self, metadata):
        super().__init__()
        self.metadata = {k: v for k, v in metadata.items() if k not in ("format", "layout", "contexture_checksum")}
        description = json.loads(metadata["encoder"])
        # A classifier of an earlier version has its images beside its classes.
        said = json.loads(metadata.get("classifier", "{}"))
        images = json.loads(metadata["images"]) if "images" in metadata else said
        self.classes = said.get("classes", [])
        self.encoder = make_encoder(description)
        channels = description["in_channels"]
        for name, otherwise in (("mean", 0.0), ("stddev", 1.0)):
            values = images.get(name)
            self.normalised = values is not None
            values = torch.tensor(values if self.normalised else [otherwise] * channels, dtype=torch.float32)
            self.register_buffer(name, values.reshape(1, channels, 1, 1))
        if self.classes:
            self.head = nn.Module()
            self.head.output = nn.Linear(self.encoder.feature_channels, len(self.classes))

    def features(self, images):
        """images (N,C,H,W), 0 to 255, or, where the file tells no normalisation, normalised ones -> (N,F)."""
        if self.normalised:
            images = (images / 255 - self.mean) / self.stddev
        return self.encoder(images).mean((2, 3))

    def forward(self, images):
        """-> logits (N,classes), or, without a head, features (N,F)."""
        features = self.features(images)
        return self.head.output(features) if self.classes else features


RENAMED = {"gamma": "weight", "beta": "bias", "running_variance": "running_var"}


def to_torch(name, array):
    """A tensor of a file, under PyTorch's name and in PyTorch's order of axes."""
    parent, _, last = name.rpartition(".")
    if last == "weight":
        array = array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T
    last = RENAMED.get(last, last)
    return f"{parent}.{last}" if parent else last, torch.from_numpy(np.array(array, dtype=np.float32, order="C"))


def load(path):
    """The module of a weight file, in evaluation mode."""
    tensors, metadata = read_safetensors(path)
    if "encoder" not in metadata:
        raise ValueError(f"{path}: its metadata lacks 'encoder', expected weights of this library")
    model = Model(metadata)
    prefix = "" if metadata.get("kind") == "classifier" else "encoder."
    state = dict(to_torch(prefix + name, array) for name, array in tensors.items())
    missing, unexpected = model.load_state_dict(state, strict=False)
    missing = [name for name in missing if name not in ("mean", "stddev") and not name.endswith("num_batches_tracked")]
    if missing or unexpected:
        raise ValueError(f"{path}: weights of another architecture; missing: {missing}; unexpected: {unexpected}")
    return model.eval()


def save(model, path):
    """What from_pytorch.py reads: the state and the metadata."""
    torch.save({"state_dict": model.state_dict(), "metadata": model.metadata}, path)


def main():
    parser = argparse.ArgumentParser(prog="to_pytorch.py", usage="scripts/to_pytorch.py FILE [--out FILE]",
                                     description="Writes an encoder or classifier (*.safetensors) as a PyTorch file: "
                                     "a dictionary of state_dict and metadata.")
    parser.add_argument("file", metavar="FILE", help="encoder or classifier weights (*.safetensors)")
    parser.add_argument("--out", help="file to write; without: FILE with .pt")
    options = parser.parse_args()
    out = options.out or str(pathlib.Path(options.file).with_suffix(".pt"))
    try:
        model = load(options.file)
        save(model, out)
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"to_pytorch.py: {error}")
    what = f"{len(model.classes)} classes" if model.classes else f"{model.encoder.feature_channels} features"
    print(f"{out}: {json.loads(model.metadata['encoder']).get('network', 'resnet')}, {what}")


if __name__ == "__main__":
    main()
