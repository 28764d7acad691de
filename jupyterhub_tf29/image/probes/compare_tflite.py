"""Run the converted model on the inputs that train.py left: it must answer as the trained one does."""

import os

import numpy as np
import tensorflow as tf

answers = np.load("/tmp/verify/answers.npz")
interpreter = tf.lite.Interpreter("/tmp/verify/model.tflite")
interpreter.allocate_tensors()
(source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
worst = 0.0
for image, expected in zip(answers["inputs"], answers["outputs"]):
    interpreter.set_tensor(source["index"], image[None])
    interpreter.invoke()
    worst = max(worst, float(np.abs(interpreter.get_tensor(result["index"])[0] - expected).max()))
size = os.path.getsize("/tmp/verify/model.tflite")
print(f"{size} bytes; answers differ by at most {worst:.1e}")
assert worst < 1e-4, "the converted model answers differently"
