"""Converted folders as ONNX files, which need neither Python nor our code."""
