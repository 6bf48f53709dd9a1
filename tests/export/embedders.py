"""Embedders to export, photos for them, and what runs the graphs."""

import numpy as np
import onnxruntime
from models.test_forward import images_of, random_like

from cl_facenet.data.preprocessing import Preprocessing
from cl_facenet.embedder import Embedder
from cl_facenet.models.facenet import abstract_variables, create_model


def embedder_of(name, graph, size, align="none"):
    """Random parameters and running statistics, so that every one of them matters."""
    model = create_model(name, graph, 16, 1.0, None)
    variables = random_like(abstract_variables(model, size), 0)
    return Embedder(model, variables, Preprocessing(align, size))


def photos(count, size):
    light = np.concatenate([images_of(size), images_of(size)[::-1, ::-1]])
    return np.uint8(255 * light)[:count]


def run(model, images):
    """What onnxruntime computes of a model, or of a file."""
    if not isinstance(model, str):
        model = model.SerializeToString()
    (values,) = onnxruntime.InferenceSession(model).run(None, {"images": images})
    return values
