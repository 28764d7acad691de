"""The main job as a person does it: sign in, pick a workspace, train, stop, come back, find the notebook.

A real Chromium, a real hub and proxy, the real engine and the notebook image. The data are scikit-learn's
digits: 1,797 real scans of handwriting that ship with the package.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.steps import PATIENCE_MS, run_in_a_notebook, sign_in
from tests.hubs.running import RunningHub

TRAINING = """
import matplotlib.pyplot as plt
import tensorflow as tf
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
tf.keras.utils.set_random_seed(29)
x, y = load_digits(return_X_y=True)
x_train, x_test, y_train, y_test = train_test_split(x / 16.0, y, test_size=0.2, random_state=29)
model = tf.keras.Sequential([tf.keras.layers.Dense(64, activation="relu"), tf.keras.layers.Dense(10)])
loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile("adam", loss, metrics=["accuracy"])
history = model.fit(x_train, y_train, epochs=30, verbose=0)
plt.figure(figsize=(4, 2)); plt.plot(history.history["accuracy"]); plt.title("训练准确率"); plt.show()
print(f"test accuracy: {model.evaluate(x_test, y_test, verbose=0)[1]:.3f}")
"""

pytestmark = [pytest.mark.browser, pytest.mark.hub, pytest.mark.image]


def start_workspace(page: Page, hub: RunningHub, shoot: Callable[[Page, str], None], name: str) -> None:
    page.goto(f"{hub.url}/hub/spawn")
    page.get_by_label("CPU, small").check()
    shoot(page, f"{name}-menu")
    page.get_by_role("button", name="Start").click()
    expect(page.locator(".jp-DirListing-item", has_text="models")).to_be_visible(timeout=PATIENCE_MS)


def train(page: Page) -> str:
    """Run the training in a notebook; returns what the cell printed."""
    run_in_a_notebook(page, TRAINING.strip())
    result = page.locator(".jp-OutputArea-output", has_text="test accuracy")
    expect(result).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator(".jp-OutputArea-output img")).to_be_visible(timeout=PATIENCE_MS)
    return str(result.inner_text())


def test_sign_in_start_train_stop_and_find_it_again(
    notebook_hub: RunningHub, new_page: Callable[..., Page], shoot: Callable[[Page, str], None]
) -> None:
    hub, page = notebook_hub, new_page()
    sign_in(page, hub, "ada")
    start_workspace(page, hub, shoot, "first")
    printed = train(page)
    page.locator(".jp-OutputArea-output img").scroll_into_view_if_needed()
    shoot(page, "trained")
    assert float(printed.split(":")[1]) >= 0.95
    page.keyboard.press("Control+s")
    page.locator(".jp-Dialog input").first.fill("digits.ipynb")
    page.get_by_role("button", name="Rename and Save").click()
    expect(page.locator(".lm-TabBar-tab.jp-mod-dirty")).to_have_count(0, timeout=PATIENCE_MS)

    page.goto(f"{hub.url}/hub/home")
    page.get_by_role("button", name="Stop My Server").click()
    expect(page.get_by_role("button", name="Start My Server")).to_be_visible(timeout=PATIENCE_MS)
    shoot(page, "stopped")
    assert hub.containers("ada") == []

    start_workspace(page, hub, shoot, "again")
    page.goto(f"{hub.url}/user/ada/lab/tree/digits.ipynb")
    kept = page.locator(".jp-OutputArea-output", has_text="test accuracy")
    expect(kept).to_be_visible(timeout=PATIENCE_MS)
    shoot(page, "found-again")
    assert kept.inner_text() == printed
