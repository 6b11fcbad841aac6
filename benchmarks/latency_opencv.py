# SPDX-License-Identifier: MIT
"""OpenCV's side of latency.sh: microseconds an image, the median, from float pixels to logits.

    latency_opencv.py FOLDER/NETWORK THREADS
"""
import pathlib
import sys
import time

import cv2
import numpy as np


def main():
    folder = pathlib.Path(sys.argv[1])
    cv2.setNumThreads(int(sys.argv[2]))
    net = cv2.dnn.readNetFromONNX(str(folder / "classifier.onnx"))
    wanted = np.fromfile(folder / "logits.f32", dtype="<f4").reshape(-1, 10)
    images = np.fromfile(folder / "images.f32", dtype="<f4").reshape(len(wanted), 3, 32, 32)
    taken = []
    begin = time.perf_counter()
    n = 0
    while n < 2 * len(images) or time.perf_counter() - begin < 0.7:
        image = images[n % len(images)][None]
        start = time.perf_counter()
        net.setInput(image)
        logits = net.forward()
        end = time.perf_counter()
        if n >= len(images):
            taken.append(end - start)
        elif not np.abs(logits[0] - wanted[n]).max() <= 1e-3:
            sys.exit(f"latency_opencv.py: image {n}: {logits[0]}, expected {wanted[n]}")
        n += 1
    print(f"{1e6 * sorted(taken)[len(taken) // 2]:.1f}")


main()
