package pytorch

import (
	"strings"

	"github.com/steppe-ml/steppe/net"
)

// naming says what PyTorch calls the layers, and how its networks of that kind are made.
type naming struct {
	family  string            // of the script, "" for nested nn.Sequential
	modules map[string]string // by our name of the layer; nil for nested nn.Sequential
	stages  []stage           // of a residual network
	large   bool              // it begins with a convolution of 7x7 and a pooling
	// zerosAround: where a shortcut without parameters appends channels of zeros, PyTorch's
	// network has half of them before.
	zerosAround bool
}

// module returns PyTorch's name of a layer: "3.body.0" of "3.Residual.body.0.Conv2D", unless the
// network is one whose names are known.
func (s naming) module(name string) string {
	if s.modules != nil {
		return s.modules[name]
	}
	var parts []string
	for part := range strings.SplitSeq(name, ".") {
		// A layer's index is before its type; a Residual's sides have neither.
		if part[0] >= '0' && part[0] <= '9' || part == "body" || part == "shortcut" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ".")
}

// subsample returns the order of the channels behind a net.Subsample.
func (s naming) subsample(in, out int, before order) order {
	first := 0
	if s.zerosAround {
		first = (out - in) / 2
	}
	channels := make(order, out)
	zero := in // the next of our channels of zeros
	for i := range channels {
		if i >= first && i < first+in {
			channels[i] = before.at(i - first)
		} else {
			channels[i] = zero
			zero++
		}
	}
	return channels.normal()
}

// nameModules returns the names of a model's layers. Residual networks as the literature has them
// get the names of the code that is used most; every other model is nn.Sequential, whose names are
// indices.
func nameModules(tree []net.Node) naming {
	for _, match := range []func(*matcher) bool{(*matcher).postActivation, (*matcher).preActivation} {
		m := &matcher{nodes: tree, naming: naming{modules: map[string]string{}}}
		if match(m) {
			return m.naming
		}
	}
	return naming{}
}
