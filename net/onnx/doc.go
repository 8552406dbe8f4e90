// Package onnx writes models in the Open Neural Network Exchange format, which ONNX Runtime,
// OpenVINO, TensorRT, browsers and others run. [Write] is all of it.
//
// # The graph
//
// The graph is of opset 13. It takes and gives what users of the format expect, in batches of any
// size N:
//
//	input          float [N, C, H, W] for images, otherwise [N, ...] as the model's samples
//	logits         float [N, classes]
//	probabilities  float [N, classes], the softmax of logits
//	output         float [N, ...], instead of the last two, of a model without a softmax
//
// If samples were standardized in training, the graph standardizes its input in the same way. So
// images have pixels from 0 to 1, as they are.
//
// The metadata of the model is checkpoint.Meta in strings, among them "class_names", which is a
// list in JSON.
package onnx
