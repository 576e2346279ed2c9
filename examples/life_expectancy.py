"""Life expectancy from births, in the style of define-then-run.

A line y = w·x + b through 190 countries, learnt from one country at a time: the listing of
C. Huyen's course CS 20SI, "TensorFlow for deep learning research". A graph is defined first,
with placeholders for a country's numbers; then a session runs the part of it that the training
step needs, 19,000 times.

python examples/life_expectancy.py [DATA_FOLDER]     (else the folder that NEURONA_DATA names)
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import neurona as ne
from neurona import optim

LEARNING_RATE = 0.001
EPOCHS = 100


def main(data_folder: str | Path | None = None) -> tuple[float, float, float]:
    """Train; returns w, b and the mean loss of the last epoch."""
    # Step 1: read the data, a row a country
    births = ne.data.birth_life_2010(data_folder)
    data = np.column_stack([births.inputs, births.targets]).astype(np.float32)

    graph = ne.graph.Graph()
    with graph.as_default():
        # Step 2: placeholders for births per woman and life expectancy in years
        X = ne.graph.placeholder(ne.float32, name="X")
        Y = ne.graph.placeholder(ne.float32, name="Y")

        # Step 3: weight and bias, 0 at first
        w = ne.graph.variable(0.0, name="weights")
        b = ne.graph.variable(0.0, name="bias")

        # Step 4: the model that predicts Y
        Y_predicted = w * X + b

        # Step 5: the squared error as the loss
        loss = ne.graph.identity(ne.square(Y - Y_predicted), name="loss")

        # Step 6: gradient descent
        descend = ne.graph.minimize(loss, optim.SGD([w, b], LEARNING_RATE))
        start = ne.graph.variables_initializer()

    with ne.Session(graph) as session:
        # Step 7: give the variables their initial values
        session.run(start)

        # Step 8: train, country by country in the order of the file
        for epoch in range(EPOCHS):
            total = 0.0
            for x, y in data:
                _, squared_error = session.run([descend, loss], feed_dict={X: x, Y: y})
                total += float(squared_error)
            if epoch % 10 == 9:
                print(f"epoch {epoch + 1:3}  mean loss {total / len(data):8.4f}")

        # Step 9: what was learnt
        slope, intercept = session.run([w, b])
    print(f"life expectancy = {slope:.4f} · births per woman + {intercept:.4f}")
    return float(slope), float(intercept), total / len(data)


if __name__ == "__main__":
    main(*sys.argv[1:2])
