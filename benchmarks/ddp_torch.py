#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A side of the comparison that benchmarks/mpi.sh makes: the same classifier by PyTorch's DistributedDataParallel.

    python3 -c "$(cat ddp_torch.py)" PROCESSES IMAGES STEPS < scripts/to_pytorch.py

Prints images a second of PROCESSES processes of one thread, by gloo, that share batches of IMAGES images of 32 x 32,
after three steps that do not count. The batch is made before; the program that it is compared with also makes its own.
That it needs no file lets it run in another root directory (chroot).
"""
import os
import socket
import sys
import time
import types

import torch
from torch import nn

os.environ["USE_LIBUV"] = "0"  # Debian's PyTorch has none
os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
to_pytorch = types.ModuleType("to_pytorch")
exec(compile(sys.stdin.read(), "to_pytorch.py", "exec"), to_pytorch.__dict__)
NETWORK = {"network": "resnet", "in_channels": 3, "width": 16, "stages": 3, "blocks_per_stage": 2, "norm": "batch",
           "affine": True}


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = to_pytorch.make_encoder(NETWORK)
        self.output = nn.Linear(self.encoder.feature_channels, 12)

    def forward(self, x):
        return self.output(self.encoder(x).mean((2, 3)))


def run(rank, processes, images, steps, port):
    torch.set_num_threads(1)
    torch.manual_seed(1)
    model = Classifier().to(memory_format=torch.channels_last)
    if processes > 1:
        torch.distributed.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank,
                                             world_size=processes)
        model = nn.parallel.DistributedDataParallel(model)
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9, nesterov=True, weight_decay=5e-4)
    x = torch.randn(images // processes, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    y = torch.randint(0, 12, (images // processes,))
    for step in range(steps + 3):
        if step == 3:
            begin = time.perf_counter()
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    if rank == 0:
        print(f"{images // processes * processes * steps / (time.perf_counter() - begin):.1f} images/s", flush=True)
    if processes > 1:
        torch.distributed.destroy_process_group()


def main():
    processes, images, steps = (int(argument) for argument in sys.argv[1:4])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for rank in range(1, processes):
        child = os.fork()
        if child == 0:
            run(rank, processes, images, steps, port)
            os._exit(0)
        children.append(child)
    run(0, processes, images, steps, port)
    for child in children:
        os.waitpid(child, 0)


main()
