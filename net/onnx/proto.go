package onnx

import (
	"encoding/binary"
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/steppe-ml/steppe/net"
)

// The format is Protocol Buffers. Its messages are few and written field by field here; the numbers
// are those of onnx.proto (github.com/onnx/onnx).

// message is an encoded message.
type message []byte

// with appends a field that holds text, bytes or another message.
func (m message) with(field protowire.Number, value []byte) message {
	m = protowire.AppendTag(m, field, protowire.BytesType)
	return protowire.AppendBytes(m, value)
}

func (m message) text(field protowire.Number, value string) message {
	return m.with(field, []byte(value))
}

func (m message) int(field protowire.Number, value int) message {
	m = protowire.AppendTag(m, field, protowire.VarintType)
	return protowire.AppendVarint(m, uint64(value))
}

func (m message) float(field protowire.Number, value float32) message {
	m = protowire.AppendTag(m, field, protowire.Fixed32Type)
	return protowire.AppendFixed32(m, math.Float32bits(value))
}

// Types of tensor elements, and of attributes.
const (
	typeFloat = 1
	typeInt64 = 7

	attributeFloat = 1
	attributeInt   = 2
	attributeInts  = 7
)

// attribute is an AttributeProto.
type attribute message

func floatAttribute(name string, value float64) attribute {
	return attribute(message{}.text(1, name).float(2, float32(value)).int(20, attributeFloat))
}

func intAttribute(name string, value int) attribute {
	return attribute(message{}.text(1, name).int(3, value).int(20, attributeInt))
}

func intsAttribute(name string, values ...int) attribute {
	m := message{}.text(1, name)
	for _, v := range values {
		m = m.int(8, v)
	}
	return attribute(m.int(20, attributeInts))
}

// floatTensor is a TensorProto.
func floatTensor(name string, shape []int, values []float32) message {
	data := make([]byte, 0, 4*len(values))
	for _, v := range values {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
	}
	return tensor(name, shape, typeFloat, data)
}

// intTensor is a TensorProto of one dimension.
func intTensor(name string, values ...int) message {
	var data []byte
	for _, v := range values {
		data = binary.LittleEndian.AppendUint64(data, uint64(v))
	}
	return tensor(name, []int{len(values)}, typeInt64, data)
}

func tensor(name string, shape []int, elements int, data []byte) message {
	m := message{}
	for _, d := range shape {
		m = m.int(1, d)
	}
	return m.int(2, elements).text(8, name).with(9, data)
}

// valueInfo is a ValueInfoProto: a value of a batch of samples of that shape.
func valueInfo(name string, shape net.Shape, doc string) message {
	dims := message{}.with(1, message{}.text(2, "N"))
	for _, d := range shape {
		dims = dims.with(1, message{}.int(1, d))
	}
	tensorType := message{}.int(1, typeFloat).with(2, dims)
	return message{}.text(1, name).with(2, message{}.with(1, tensorType)).text(3, doc)
}

// node is a NodeProto.
type node struct {
	name, op   string
	in         []string
	out        string
	attributes []attribute
}

func (n node) message() message {
	m := message{}
	for _, in := range n.in {
		m = m.text(1, in)
	}
	m = m.text(2, n.out).text(3, n.name).text(4, n.op)
	for _, a := range n.attributes {
		m = m.with(5, a)
	}
	return m
}

// entry is a StringStringEntryProto.
func entry(key, value string) message { return message{}.text(1, key).text(2, value) }
