# SPDX-License-Identifier: MIT
"""ONNX files beside what the library answers: onnx.checker, and OpenCV's dnn where it can read them.

    check_onnx.py FOLDER

FOLDER is what export_cases wrote and export added to. Prints a line for each file, `ok` or `FAILED` first.
"""
import json
import pathlib
import sys

import cv2
import numpy as np
import onnx

# OpenCV 4.6 has not all that group and layer normalisation and GELU are written with.
OPENCV_READS = {"resnet", "resnet18", "resnet-grey", "resnet18-odd"}
TOLERANCE = 1e-4


def numbers(path, shape):
    return np.fromfile(path, dtype="<f4").reshape(shape)


def difference_in_opencv(path, images, wanted, channels_last):
    net = cv2.dnn.readNetFromONNX(str(path))
    net.setInput(images if channels_last else np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    return float(np.abs(net.forward() - wanted).max())


def check(path, case, images):
    model = onnx.load(str(path))
    onnx.checker.check_model(model, full_check=True)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    (output,) = model.graph.output
    (taken,) = model.graph.input
    batch = taken.type.tensor_type.shape.dim[0]
    assert batch.dim_param == "batch", f"the batch is fixed: {batch}"
    if output.name == "logits":
        assert json.loads(metadata["classifier"])["classes"] == case["classes"], "class names do not survive"
        wanted = numbers(path.parent / "logits.f32", (len(images), len(case["classes"])))
    else:
        wanted = numbers(path.parent / "features.f32", (len(images), case["features"]))
    if case["name"] not in OPENCV_READS or "nhwc" in path.name:
        return "checker"
    worst = difference_in_opencv(path, images, wanted, False)
    assert worst <= TOLERANCE, f"OpenCV differs by {worst:.2g}"
    return f"checker, OpenCV {cv2.__version__} within {worst:.1e}"


def main():
    failed = 0
    for path in sorted(pathlib.Path(sys.argv[1]).glob("*/*.onnx")):
        case = json.loads((path.parent / "case.json").read_text())
        images = numbers(path.parent / "images.f32",
                         (case["images"], case["height"], case["width"], case["channels"]))
        name = f"{path.parent.name}/{path.name}"
        try:
            print(f"ok {name}: {check(path, case, images)}")
        except Exception as error:  # whatever an engine throws is a finding
            print(f"FAILED {name}: {error}")
            failed += 1
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
