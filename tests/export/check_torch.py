# SPDX-License-Identifier: MIT
"""scripts/to_pytorch.py and from_pytorch.py beside what the library answers.

    check_torch.py FOLDER EXPORT

FOLDER is what export_cases wrote, EXPORT the program that loads a weight file in C++. Prints a line for each thing
checked, `ok` or `FAILED` first.
"""
import json
import pathlib
import subprocess
import sys

import cv2
import numpy as np
import torch

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "scripts"))
import to_pytorch  # noqa: E402

TOLERANCE = 1e-5
failed = 0


def check(name, work):
    global failed
    try:
        print(f"ok {name}: {work()}")
    except (Exception, SystemExit) as error:  # whatever goes wrong is a finding
        print(f"FAILED {name}: {error}")
        failed += 1


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())


def numbers(path, shape):
    return np.fromfile(path, dtype="<f4").reshape(shape)


def within(answers, wanted, tolerance=TOLERANCE):
    """The worst difference; `tolerance` is of the largest answer, where that is above 1."""
    worst = float(np.abs(answers - wanted).max())
    share = worst / max(1.0, float(np.abs(wanted).max()))
    if not share <= tolerance:
        raise RuntimeError(f"differs by {worst:.1e}, {share:.1e} of the largest answer")
    return f"within {worst:.1e}"


def logits_and_features(folder, images):
    case = json.loads((folder / "case.json").read_text())
    x = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
    with torch.no_grad():
        classifier = to_pytorch.load(folder / "classifier.safetensors")
        if classifier.classes != case["classes"]:
            raise RuntimeError(f"classes {classifier.classes}")
        logits = within(classifier(x).numpy(), numbers(folder / "logits.f32", (len(images), len(case["classes"]))))
        encoder = to_pytorch.load(folder / "encoder.safetensors")
        features = within(encoder(x).numpy(), numbers(folder / "features.f32", (len(images), case["features"])))
    return f"logits {logits}, features {features}"


def round_trip(folder, kind):
    """To PyTorch and back: the same bits."""
    run(sys.executable, ROOT / "scripts/to_pytorch.py", folder / f"{kind}.safetensors", "--out", folder / "there.pt")
    run(sys.executable, ROOT / "scripts/from_pytorch.py", folder / "there.pt", folder / "back.safetensors")
    before, said = to_pytorch.read_safetensors(folder / f"{kind}.safetensors")
    after, says = to_pytorch.read_safetensors(folder / "back.safetensors")
    if before.keys() != after.keys():
        raise RuntimeError(f"other tensors: {sorted(before.keys() ^ after.keys())}")
    for name, array in before.items():
        if array.shape != after[name].shape or array.tobytes() != after[name].tobytes():
            raise RuntimeError(f"{name} changes")
    for key in ("kind", "encoder", "images", "origin", "classifier"):
        if said.get(key) != says.get(key):
            raise RuntimeError(f"metadata '{key}' changes")
    return f"{len(before)} tensors, the same bits"


def torchvision_resnet18(folder, program):
    """A ResNet-18 that torchvision made, through the library's own reader, in another engine."""
    import torchvision
    torch.manual_seed(1)
    network = torchvision.models.resnet18(weights=None, num_classes=7)
    network.conv1 = torch.nn.Conv2d(3, 64, 3, 1, 1, bias=False)
    network.maxpool = torch.nn.Identity()
    images = numbers(folder / "images.f32", (100, 32, 32, 3)).transpose(0, 3, 1, 2).copy()
    x = torch.from_numpy(images)
    mean, stddev = [0.49, 0.48, 0.45], [0.25, 0.24, 0.26]
    with torch.no_grad():
        normal = (x / 255 - torch.tensor(mean).reshape(1, 3, 1, 1)) / torch.tensor(stddev).reshape(1, 3, 1, 1)
        network.train()(normal)  # statistics that are not 0 and 1
        wanted = network.eval()(normal).numpy()
    torch.save(network.state_dict(), folder / "torchvision.pth")
    (folder / "classes.txt").write_text("\n".join("abcdefg"))
    words = ["--mean", ",".join(map(str, mean)), "--stddev", ",".join(map(str, stddev))]
    made = folder / "torchvision.safetensors"
    run(sys.executable, ROOT / "scripts/from_pytorch.py", folder / "torchvision.pth", made, *words, "--classes",
        folder / "classes.txt")
    run(program, "--model", made, "--out", folder / "torchvision.model")
    net = cv2.dnn.readNetFromONNX(str(folder / "torchvision.model"))
    net.setInput(images)
    return within(net.forward(), wanted, 1e-4)


def refused(folder):
    """What is no ResNet-18 is refused in a line."""
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, folder / "imagenet.pth")
    try:
        run(sys.executable, ROOT / "scripts/from_pytorch.py", folder / "imagenet.pth", folder / "no.safetensors")
    except RuntimeError as error:
        if "stem of 7x7" in str(error) and "\n" not in str(error):
            return str(error).rpartition(": ")[2]
        raise
    raise RuntimeError("a stem of 7x7 is taken")


def main():
    folder, program = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    for path in sorted(folder.glob("*/case.json")):
        if not (path.parent / "classifier.safetensors").exists():
            continue  # no network of the library
        case = json.loads(path.read_text())
        shape = (case["images"], case["height"], case["width"], case["channels"])
        images = numbers(path.parent / "images.f32", shape)
        check(f"{case['name']} in PyTorch", lambda: logits_and_features(path.parent, images))
        for kind in ("classifier", "encoder"):
            check(f"{case['name']}, {kind}, to PyTorch and back", lambda: round_trip(path.parent, kind))
    check("torchvision's ResNet-18 in the library", lambda: torchvision_resnet18(folder / "resnet18", program))
    check("a ResNet-18 for large images is refused", lambda: refused(folder / "resnet18"))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
