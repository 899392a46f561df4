"""Ten sprites by the network in an ONNX file: draw_with_onnx.py MODEL CLASS SPRITES.png."""

import json
import sys
from itertools import pairwise

import numpy as np
import onnxruntime
from PIL import Image


def draw(network, about, labels, normal):
    """Pictures (N, size, size, channels) uint8 by SDE-DPM-Solver++(2M); normal(shape) draws standard normal noise."""
    a, x = [*about["alpha_bar"], 1], normal((len(labels), about["channels"], about["size"], about["size"]))
    signal, noise = np.sqrt(a), np.sqrt(1 - np.array(a)).clip(1e-12)  # index -1 is clean data
    lam, T, steps, last_x0, last_h = np.log(signal / noise), len(a) - 1, about["steps"], 0, np.inf
    for t, s in pairwise(T * (steps - i) // steps - 1 for i in range(steps + 1)):  # from T - 1 down to -1
        given = {"x": x.astype(np.float32), "t": np.full(len(x), t), "c": labels}
        answer = network.run(None, given)[0].astype(float)
        if about["interval"][0] <= lam[t] <= about["interval"][1]:
            unlabelled = network.run(None, given | {"c": np.full(len(x), len(about["classes"]))})[0]
            answer = unlabelled + about["guidance"] * (answer - unlabelled)
        eps, v = (x - noise[t] * answer) / signal[t], signal[t] * x - noise[t] * answer
        x0, h = {"x0": answer, "eps": eps, "v": v}[about["prediction"]], lam[s] - lam[t]
        ahead = x0 + (s >= 0) * h / (2 * last_h) * (x0 - last_x0)  # first and last step: x0 itself
        mean = noise[s] / noise[t] * np.exp(-h) * x - signal[s] * np.expm1(-2 * h) * ahead
        x, last_x0, last_h = mean + noise[s] * np.sqrt(-np.expm1(-2 * h)) * normal(x.shape), x0, h
    return np.round((x.clip(-1, 1) + 1) * 127.5).astype(np.uint8).transpose(0, 2, 3, 1)


if __name__ == "__main__":
    network = onnxruntime.InferenceSession(sys.argv[1])
    about = {key: json.loads(value) for key, value in network.get_modelmeta().custom_metadata_map.items()}
    labels = np.full(10, about["classes"].index(sys.argv[2]))
    drawn = draw(network, about, labels, np.random.default_rng().standard_normal)
    if about["palette"]:  # every pixel takes the nearest colour
        colors = np.array(about["palette"])
        drawn[..., :3] = colors[np.square(drawn[..., None, :3] - colors).sum(-1).argmin(-1)]
    drawn[..., 3:] = np.where(drawn[..., 3:] < 128, 0, 255)  # alpha, if it draws any
    Image.fromarray(np.hstack(drawn)).save(sys.argv[3])
