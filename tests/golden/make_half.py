#!/usr/bin/env python3
"""How far PyTorch's own autocast to bfloat16 is from its float32, for the networks of make_unet.py and make_arch.py: what tests/unit/net.c takes as the
measure of bf16. Run by hand, after those, with a Python that has monai, torch, safetensors and dynamic_network_architectures:
    python tests/golden/make_half.py tests/golden
half.tsv: a line for each NAME.ts that has gradients: name, largest difference of the logits over the largest logit, norm of all gradients' difference over
that of all gradients, largest difference of the losses of five AdamW steps over the loss."""
import json
import os
import sys

os.environ["ONEDNN_MAX_CPU_ISA"] = "AVX2"  # torch 2.15's weight gradients in bfloat16 with AVX-512 are infinite for unet-res1

import torch  # noqa: E402
from safetensors.torch import load  # noqa: E402

from make_arch import LOSSES, build, outputs, slices  # noqa: E402


def frames(path):
    """Metadata and tensors of each"""
    data, at = open(path, "rb").read(), 0
    while at < len(data):
        n = int.from_bytes(data[at:at + 8], "little")
        header = json.loads(data[at + 8:at + 8 + n])
        end = at + 8 + n + max(v["data_offsets"][1] for k, v in header.items() if k != "__metadata__")
        yield header["__metadata__"], load(data[at:end])
        at = end


def run(net, target, options, t, half):
    net.zero_grad()
    x, label = t["input"], t["label"][:, None].long()
    if slices(options) is not None:
        x, label = (v.squeeze(slices(options) + 2) for v in (x, label))
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        outs, weights = outputs(net, target, options, x)
    loss = LOSSES["dicece_squared"]()
    down = [torch.nn.functional.interpolate(label.float(), o.shape[2:], mode="nearest-exact").long() for o in outs]
    total = sum(w * loss(o.float(), y) for w, o, y in zip(weights, outs, down) if w > 0)
    total.backward()
    return outs[0].detach().float(), torch.cat([p.grad.ravel() for p in net.parameters() if p.grad is not None]), total.item()


def steps(net, target, options, t, half):
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2, weight_decay=1e-2)
    losses = []
    for _ in range(5):
        losses.append(run(net, target, options, t, half)[2])
        optimizer.step()
    return torch.tensor(losses, dtype=torch.float64)


def main(folder):
    torch.set_num_threads(1)
    with open(os.path.join(folder, "half.tsv"), "w") as f:
        for name in sorted(os.listdir(folder)):
            if not name.endswith(".ts") or not name.startswith(("unet-", "arch-")):
                continue
            (meta, weights), (_, t) = frames(os.path.join(folder, name))
            if "steps" not in t:
                continue
            options = json.loads(meta["arch"])
            target = options.pop("_target_")
            net = build(target, options).train()
            logits, grads, losses = [], [], []
            for half in (False, True):
                net.load_state_dict(weights, strict=False)
                a, b, _ = run(net, target, options, t, half)
                logits.append(a)
                grads.append(b)
                net.load_state_dict(weights, strict=False)
                losses.append(steps(net, target, options, t, half))
            print(name[:-3], "%.3g" % ((logits[1] - logits[0]).abs().max() / logits[0].abs().max()),
                  "%.3g" % ((grads[1] - grads[0]).norm() / grads[0].norm()), "%.3g" % ((losses[1] - losses[0]).abs() / losses[0]).max(), sep="\t",
                  file=f)


if __name__ == "__main__":
    main(sys.argv[1])
