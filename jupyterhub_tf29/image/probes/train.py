"""Train a small classifier on scikit-learn's digits; leave a SavedModel, a few inputs and its answers to them."""

import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

tf.keras.utils.set_random_seed(29)
digits = load_digits()
x_train, x_test, y_train, y_test = train_test_split(
    (digits.data / 16).astype("float32"), digits.target, random_state=29
)
model = tf.keras.Sequential(
    [tf.keras.Input((64,)), tf.keras.layers.Dense(64, "relu"), tf.keras.layers.Dense(10, "softmax")]
)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x_train, y_train, epochs=15, verbose=0)
accuracy = model.evaluate(x_test, y_test, verbose=0)[1]
model.save("/tmp/verify/model")
np.savez("/tmp/verify/answers.npz", inputs=x_test[:16], outputs=model.predict(x_test[:16], verbose=0))
print(f"accuracy {accuracy:.3f} on {len(x_test)} digits that it had not seen")
assert accuracy > 0.9, "a trained model should know nine digits of ten"
