"""What leaves a run: a plain transformers folder, ONNX files in fp32 and int8, and the model card."""
