#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""PyTorch weights as a file of this library.

    scripts/from_pytorch.py finetuned.pt classifier.safetensors
    scripts/from_pytorch.py resnet18.pth encoder.safetensors --image-size 32 \
        --mean 0.4914,0.4822,0.4465 --stddev 0.2470,0.2435,0.2616

The first takes what to_pytorch.py wrote, trained further or not. The second takes a state_dict of torchvision's or
timm's ResNet-18 in its form for small images, with a 3x3 stem, as .pth, .pt or .safetensors; with --classes FILE (a
name a line) it becomes a classifier, else an encoder. Needs numpy and torch.
"""
import argparse
import json
import pathlib
import re
import struct
import sys

import numpy as np
import torch

import to_pytorch


def write_safetensors(path, tensors, metadata):
    header, offset = {"__metadata__": metadata}, 0
    for name, array in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for array in tensors.values():
            file.write(array.tobytes())


def to_file(name, tensor, norms):
    """The reverse of to_pytorch.to_torch(); `norms` are the paths of normalisations."""
    parent, _, last = name.rpartition(".")
    array = tensor.detach().cpu().float().numpy()
    if parent in norms:
        last = {"weight": "gamma", "bias": "beta", "running_var": "running_variance"}.get(last, last)
    elif last == "weight":
        array = array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T
    return f"{parent}.{last}", np.ascontiguousarray(array, dtype="<f4")


def file_of(state, metadata):
    """The tensors of a file from the state of a to_pytorch.Model."""
    model = to_pytorch.Model(metadata)
    model.load_state_dict(state)
    kinds = (torch.nn.BatchNorm2d, torch.nn.GroupNorm, torch.nn.LayerNorm)
    norms = {name for name, module in model.named_modules() if isinstance(module, kinds)}
    skipped = ("mean", "stddev")
    tensors = dict(to_file(name, tensor, norms) for name, tensor in model.state_dict().items()
                   if name not in skipped and not name.endswith("num_batches_tracked"))
    if metadata["kind"] == "encoder":
        tensors = {name[len("encoder."):]: array for name, array in tensors.items()}
    return tensors


def ours(name):
    """A name of torchvision's and timm's ResNet -> that of to_pytorch.Model; None: of no use."""
    if name.endswith("num_batches_tracked"):
        return None
    for pattern, replacement in ((r"^conv1\.", "encoder.stem."), (r"^bn1\.", "encoder.stem_norm."),
                                 (r"^fc\.", "head.output."),
                                 (r"^layer(\d+)\.(\d+)\.conv(\d)\.", r"encoder.stage\1.block\2.conv\3."),
                                 (r"^layer(\d+)\.(\d+)\.bn(\d)\.", r"encoder.stage\1.block\2.norm\3."),
                                 (r"^layer(\d+)\.(\d+)\.downsample\.0\.", r"encoder.stage\1.block\2.shortcut."),
                                 (r"^layer(\d+)\.(\d+)\.downsample\.1\.", r"encoder.stage\1.block\2.shortcut_norm.")):
        if re.match(pattern, name):
            return re.sub(pattern, replacement, name)
    raise ValueError(f"'{name}' is no name of torchvision's or timm's ResNet-18")


def from_resnet(state, options):
    """State and metadata of a to_pytorch.Model from a ResNet's state_dict."""
    state = {name[len("module."):] if name.startswith("module.") else name: t for name, t in state.items()}
    if "conv1.weight" not in state:
        raise ValueError("no conv1.weight, expected a state_dict of torchvision's or timm's ResNet-18")
    width, channels, rows, columns = state["conv1.weight"].shape
    if (rows, columns) != (3, 3):
        raise ValueError(f"a stem of {rows}x{columns}, expected the 3x3 stem of ResNets for small images")
    if any(".conv3." in name for name in state):
        raise ValueError("bottleneck blocks, expected ResNet-18's blocks of two convolutions")
    stages = {}
    for name in state:
        if found := re.match(r"layer(\d+)\.(\d+)\.", name):
            stages.setdefault(int(found[1]), set()).add(int(found[2]))
    blocks = {len(of) for of in stages.values()}
    if sorted(stages) != list(range(1, len(stages) + 1)) or len(blocks) != 1:
        raise ValueError("stages of different lengths, expected as many blocks in each, as ResNet-18 has")
    classes = pathlib.Path(options.classes).read_text(encoding="utf-8").splitlines() if options.classes else []
    if classes and ("fc.weight" not in state or len(state["fc.weight"]) != len(classes)):
        outputs = len(state["fc.weight"]) if "fc.weight" in state else "no"
        raise ValueError(f"{len(classes)} class names for {outputs} outputs")
    images = {"height": options.image_size, "width": options.image_size, "channels": channels}
    if options.mean:
        images.update(mean=options.mean, stddev=options.stddev)
    metadata = {"kind": "classifier" if classes else "encoder", "precision": "float32", "library": "PyTorch",
                "encoder": json.dumps({"network": "resnet18", "in_channels": channels, "width": width,
                                       "stages": len(stages), "blocks_per_stage": blocks.pop(), "affine": True,
                                       "norm": "batch"}),
                "images": json.dumps(images), "origin": "{}"}
    if classes:
        metadata["classifier"] = json.dumps({"classes": classes, "mirror": False})
    renamed = {ours(name): tensor for name, tensor in state.items()}
    renamed.pop(None, None)
    if not classes:
        renamed = {name: tensor for name, tensor in renamed.items() if not name.startswith("head.")}
    model = to_pytorch.Model(metadata)
    missing, unexpected = model.load_state_dict(renamed, strict=False)
    missing = [name for name in missing if name not in ("mean", "stddev") and not name.endswith("num_batches_tracked")]
    if missing or unexpected:
        raise ValueError(f"not ResNet-18; missing: {missing}; unexpected: {unexpected}")
    return model.state_dict(), metadata


def read(path):
    if str(path).endswith(".safetensors"):
        return {name: torch.from_numpy(array.copy()) for name, array in to_pytorch.read_safetensors(path)[0].items()}
    return torch.load(path, map_location="cpu", weights_only=True)


def numbers(text):
    return [float(part) for part in text.split(",")]


def main():
    parser = argparse.ArgumentParser(prog="from_pytorch.py", usage="scripts/from_pytorch.py FILE OUT [OPTION...]",
                                     description="Writes PyTorch weights, of to_pytorch.py or of torchvision's or "
                                     "timm's ResNet-18 with a 3x3 stem, as weights of this library.")
    parser.add_argument("file", metavar="FILE", help="*.pt, *.pth or, of a ResNet-18, *.safetensors")
    parser.add_argument("out", metavar="OUT", help="file to write (*.safetensors)")
    parser.add_argument("--image-size", type=int, default=32, help="of a ResNet-18: side of its images in pixels (32)")
    parser.add_argument("--mean", type=numbers, help="of a ResNet-18: mean of each channel, 0 to 1, with commas")
    parser.add_argument("--stddev", type=numbers, help="of a ResNet-18: standard deviation of each channel")
    parser.add_argument("--classes", help="of a ResNet-18: file with the name of a class in each line")
    options = parser.parse_args()
    if (options.mean is None) != (options.stddev is None):
        parser.error("--mean and --stddev come together")
    try:
        given = read(options.file)
        if "metadata" in given:
            state, metadata = given["state_dict"], given["metadata"]
        else:
            state, metadata = from_resnet(given.get("state_dict", given), options)
        tensors = file_of(state, metadata)
        write_safetensors(options.out, tensors, metadata)
    except (OSError, ValueError, RuntimeError) as error:
        sys.exit(f"from_pytorch.py: {options.file}: {error}")
    print(f"{options.out}: {metadata['kind']}, {len(tensors)} tensors")


if __name__ == "__main__":
    main()
