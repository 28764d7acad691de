"""Print the versions of what people import, one `name version` a line."""

import platform

import ipykernel
import matplotlib
import numpy
import pandas
import sklearn
import tensorboard
import tensorflow

print("Python", platform.python_version())
for name, module in {
    "TensorFlow": tensorflow,
    "NumPy": numpy,
    "Pandas": pandas,
    "Matplotlib": matplotlib,
    "scikit-learn": sklearn,
    "ipykernel": ipykernel,
    "TensorBoard": tensorboard,
}.items():
    print(name, module.__version__)
