"""Weights from and for other frameworks; see `docs/weights.md`."""

from neurona.interop.safetensors import load_safetensors, read_metadata, save_safetensors
from neurona.interop.torch_file import load_torch
from neurona.interop.torch_writer import save_torch

__all__ = ["load_safetensors", "load_torch", "read_metadata", "save_safetensors", "save_torch"]
