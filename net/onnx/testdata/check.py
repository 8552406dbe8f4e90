"""Checks ONNX files by the format's own checker, with inference of shapes."""
import sys

import onnx

for path in sys.argv[1:]:
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    names = [d.dim_param or d.dim_value for o in inferred.graph.output for d in o.type.tensor_type.shape.dim]
    print(path, names, {p.key: p.value for p in model.metadata_props})
