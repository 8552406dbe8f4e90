package pytorch

import (
	"cmp"
	"fmt"

	"github.com/steppe-ml/steppe/net"
)

// The families of residual networks, each after the code that is used most.
const (
	torchvision = "resnet.py"       // torchvision's resnet18: a shortcut is a convolution and a normalization
	cifar       = "resnet_cifar.py" // github.com/akamaster/pytorch_resnet_cifar10: no parameters in shortcuts
	wide        = "wide_resnet.py"  // github.com/xternalz/WideResNet-pytorch
)

// stage is consecutive blocks of one shape.
type stage struct{ In, Out, Blocks, Stride int }

// matcher reads a model's layers one by one, and names them.
type matcher struct {
	naming
	nodes []net.Node // those to come
}

// What a BatchNorm of ours, or of PyTorch, has unless it's told otherwise.
const (
	defaultEpsilon  = 1e-5
	defaultMomentum = 0.1
)

// take names the next layer if it is an L that fits, and steps behind it. Without a name, it has no
// tensors.
func take[L net.Layer](m *matcher, name string, fits func(L) bool) bool {
	if len(m.nodes) == 0 {
		return false
	}
	n := m.nodes[0]
	layer, ok := n.Layer.(L)
	if !ok || fits != nil && !fits(layer) {
		return false
	}
	if name != "" {
		m.modules[n.Name] = name
	}
	m.nodes = m.nodes[1:]
	return true
}

// conv takes a convolution without a bias.
func (m *matcher) conv(name string, kernel, stride, padding int) bool {
	return take(m, name, func(l net.Conv2D) bool {
		return l.NoBias && l.Kernel == kernel && max(1, l.Stride) == stride && l.Padding == padding && l.Dilation <= 1
	})
}

// defaults reports whether l normalizes by PyTorch's usual numbers.
func defaults(l net.BatchNorm) bool {
	return cmp.Or(l.Epsilon, defaultEpsilon) == defaultEpsilon && cmp.Or(l.Momentum, defaultMomentum) == defaultMomentum
}

func (m *matcher) norm(name string) bool {
	return take(m, name, func(l net.BatchNorm) bool { return defaults(l) })
}

func (m *matcher) relu() bool { return take[net.ReLU](m, "", nil) }

// end takes what a residual network ends in.
func (m *matcher) end(name string) bool {
	return take[net.GlobalAvgPool](m, "", nil) && take[net.Dense](m, name, nil) && take[net.Loss](m, "", nil) && len(m.nodes) == 0
}

// inner matches the layers inside of a Residual's side.
func (m *matcher) inner(side net.Node, match func() bool) bool {
	outer := m.nodes
	m.nodes = side.Inner
	ok := match() && len(m.nodes) == 0
	m.nodes = outer
	return ok
}

// block takes a Residual, after which PyTorch's block is called, with a stage number and a block
// number of 1 and 0 on. sides matches both.
func (m *matcher) block(sides func(n net.Node, name string, s stage) bool, format string) bool {
	if len(m.nodes) == 0 {
		return false
	}
	n := m.nodes[0]
	if _, ok := n.Layer.(net.Residual); !ok || len(n.In) != 3 || len(n.Out) != 3 {
		return false
	}
	m.nodes = m.nodes[1:]
	s := stage{In: n.In[2], Out: n.Out[2], Blocks: 1, Stride: strideOf(n)}
	last := len(m.stages) - 1
	if last < 0 || s.In != s.Out || s.Stride != 1 {
		m.stages = append(m.stages, s)
		last++
	} else {
		m.stages[last].Blocks++
	}
	return sides(n, fmt.Sprintf(format, last+1, m.stages[last].Blocks-1), s)
}

// strideOf returns the stride of a block's first convolution, 1 if there is none.
func strideOf(n net.Node) int {
	for _, inner := range n.Inner[1].Inner {
		if l, ok := inner.Layer.(net.Conv2D); ok {
			return max(1, l.Stride)
		}
	}
	return 1
}

// postActivation matches the networks of He et al., arXiv 1512.03385.
func (m *matcher) postActivation() bool {
	large := m.conv("conv1", 7, 2, 3)
	if !large && !m.conv("conv1", 3, 1, 1) || !m.norm("bn1") || !m.relu() {
		return false
	}
	pool := func(l net.MaxPool) bool { return l == net.MaxPool{Size: 3, Stride: 2, Padding: 1} }
	if large && !take(m, "", pool) {
		return false
	}
	m.large = large
	for len(m.nodes) > 3 {
		if !m.block(m.basicBlock, "layer%d.%d") || !m.relu() {
			return false
		}
	}
	if m.family == "" {
		m.family = torchvision
	}
	m.zerosAround = m.family == cifar
	last := "fc"
	if m.family == cifar {
		last = "linear"
	}
	return len(m.stages) > 0 && m.end(last) && !(m.family == cifar && large)
}

// basicBlock matches both sides of a block, which comes before a ReLU.
func (m *matcher) basicBlock(n net.Node, name string, s stage) bool {
	changes := s.In != s.Out || s.Stride != 1
	family := m.family
	return m.inner(n.Inner[1], func() bool {
		return m.conv(name+".conv1", 3, s.Stride, 1) && m.norm(name+".bn1") && m.relu() &&
			m.conv(name+".conv2", 3, 1, 1) && m.norm(name+".bn2")
	}) && m.inner(n.Inner[0], func() bool {
		switch {
		case !changes:
			return true
		case m.conv(name+".downsample.0", 1, s.Stride, 0):
			m.family = torchvision
			return m.norm(name+".downsample.1") && family != cifar
		}
		m.family = cifar
		return family != torchvision && (s.Out-s.In)%2 == 0 &&
			take(m, "", func(l net.Subsample) bool { return l.Stride == s.Stride })
	})
}

// preActivation matches the networks of Zagoruyko and Komodakis, arXiv 1605.07146.
func (m *matcher) preActivation() bool {
	if !m.conv("conv1", 3, 1, 1) {
		return false
	}
	m.family = wide
	for len(m.nodes) > 5 {
		// The first block of a stage normalizes before both of its sides.
		if _, ok := m.nodes[0].Layer.(net.BatchNorm); ok {
			next := fmt.Sprintf("block%d.layer.0.bn1", len(m.stages)+1)
			if !m.norm(next) || !m.relu() || !m.block(m.firstWideBlock, "block%d.layer.%d") {
				return false
			}
		} else if !m.block(m.wideBlock, "block%d.layer.%d") {
			return false
		}
	}
	return len(m.stages) > 0 && m.norm("bn1") && m.relu() && m.end("fc")
}

func (m *matcher) firstWideBlock(n net.Node, name string, s stage) bool {
	return m.stages[len(m.stages)-1].Blocks == 1 && s.In != s.Out && m.inner(n.Inner[1], func() bool {
		return m.conv(name+".conv1", 3, s.Stride, 1) && m.norm(name+".bn2") && m.relu() && m.conv(name+".conv2", 3, 1, 1)
	}) && m.inner(n.Inner[0], func() bool { return m.conv(name+".convShortcut", 1, s.Stride, 0) })
}

func (m *matcher) wideBlock(n net.Node, name string, s stage) bool {
	return s.In == s.Out && s.Stride == 1 && m.inner(n.Inner[1], func() bool {
		return m.norm(name+".bn1") && m.relu() && m.conv(name+".conv1", 3, 1, 1) &&
			m.norm(name+".bn2") && m.relu() && m.conv(name+".conv2", 3, 1, 1)
	}) && m.inner(n.Inner[0], func() bool { return true })
}
