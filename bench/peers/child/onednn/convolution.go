package main

/*
#include <stdlib.h>
#include <oneapi/dnnl/dnnl.h>

enum { sets = 3, operands = 3 }; // operands are x, w and y, as in child.Convolution

// convolution is a pass that is ready to run. The filter, or its gradient, is kept in HWIO and in the
// format that the primitive has chosen. Unless the two are the same, a reorder converts between them.
typedef struct {
	dnnl_stream_t stream;
	dnnl_primitive_t pass, reorder;
	int args[operands];                  // numbers of the operands as arguments of the pass
	dnnl_memory_t memory[sets][operands]; // operands of the pass; w is in the primitive's format
	dnnl_memory_t hwio[sets];
	int gradient; // w is the result
	int counted;  // each pass includes the reorder
} convolution;

static dnnl_engine_t engine;

// pass runs the primitive on a set of operands.
static dnnl_status_t pass(const convolution *c, int set) {
	dnnl_exec_arg_t args[operands];
	for (int i = 0; i < operands; i++) {
		args[i].arg = c->args[i];
		args[i].memory = c->memory[set][i];
	}
	return dnnl_primitive_execute(c->pass, c->stream, operands, args);
}

// reorder converts the filter to the primitive's format, or its gradient back to HWIO.
static dnnl_status_t reorder(const convolution *c, int set) {
	if (!c->reorder) return dnnl_success;
	dnnl_exec_arg_t args[2] = {{DNNL_ARG_FROM, c->hwio[set]}, {DNNL_ARG_TO, c->memory[set][1]}};
	if (c->gradient) {
		args[0].memory = c->memory[set][1];
		args[1].memory = c->hwio[set];
	}
	return dnnl_primitive_execute(c->reorder, c->stream, 2, args);
}

// reorderAll reorders all sets.
static int reorderAll(const convolution *c) {
	int failed = 0;
	for (int set = 0; set < sets; set++) failed |= reorder(c, set);
	return failed | dnnl_stream_wait(c->stream);
}

static int convolve(const convolution *c, int set, int times) {
	int failed = 0;
	while (times-- > 0) {
		if (c->counted && !c->gradient) failed |= reorder(c, set);
		failed |= pass(c, set);
		if (c->counted && c->gradient) failed |= reorder(c, set);
		failed |= dnnl_stream_wait(c->stream);
		if (++set == sets) set = 0;
	}
	return failed;
}

static void freeConvolution(convolution *c) {
	for (int set = 0; set < sets; set++) {
		for (int i = 0; i < operands; i++) {
			if (c->memory[set][i] != c->hwio[set]) dnnl_memory_destroy(c->memory[set][i]);
		}
		dnnl_memory_destroy(c->hwio[set]);
	}
	dnnl_primitive_destroy(c->reorder);
	dnnl_primitive_destroy(c->pass);
	dnnl_stream_destroy(c->stream);
	free(c);
}

typedef enum { forward, backwardData, backwardFilter } direction;

// geometry is a conv.Geometry in oneDNN's conventions.
typedef struct {
	dnnl_dims_t x, w, y, strides, dilations, padBefore, padAfter;
} geometry;

// describe makes the primitive's descriptor. Activations are NHWC, and the primitive chooses the
// format of filters.
static dnnl_status_t describe(dnnl_primitive_desc_t *made, direction which, const geometry *g) {
	dnnl_memory_desc_t x, w, y;
	dnnl_convolution_desc_t d;
	dnnl_primitive_desc_t hint = NULL;
	dnnl_status_t failed = dnnl_memory_desc_init_by_tag(&x, 4, g->x, dnnl_f32, dnnl_nhwc);
	if (!failed) failed = dnnl_memory_desc_init_by_tag(&w, 4, g->w, dnnl_f32, dnnl_format_tag_any);
	if (!failed) failed = dnnl_memory_desc_init_by_tag(&y, 4, g->y, dnnl_f32, dnnl_nhwc);
	if (!failed) failed = dnnl_dilated_convolution_forward_desc_init(&d, dnnl_forward_training, dnnl_convolution_direct,
		&x, &w, NULL, &y, g->strides, g->dilations, g->padBefore, g->padAfter);
	if (!failed) failed = dnnl_primitive_desc_create(&hint, &d, NULL, engine, NULL);
	if (failed || which == forward) {
		*made = hint;
		return failed;
	}
	if (which == backwardData)
		failed = dnnl_dilated_convolution_backward_data_desc_init(&d, dnnl_convolution_direct,
			&x, &w, &y, g->strides, g->dilations, g->padBefore, g->padAfter);
	else
		failed = dnnl_dilated_convolution_backward_weights_desc_init(&d, dnnl_convolution_direct,
			&x, &w, NULL, &y, g->strides, g->dilations, g->padBefore, g->padAfter);
	if (!failed) failed = dnnl_primitive_desc_create(made, &d, NULL, engine, hint);
	dnnl_primitive_desc_destroy(hint);
	return failed;
}

static dnnl_status_t makeReorder(convolution *c, const dnnl_memory_desc_t *hwio, const dnnl_memory_desc_t *native) {
	dnnl_primitive_desc_t pd;
	dnnl_status_t failed = dnnl_reorder_primitive_desc_create(&pd, c->gradient ? native : hwio, engine,
		c->gradient ? hwio : native, engine, NULL);
	if (failed) return failed;
	failed = dnnl_primitive_create(&c->reorder, pd);
	dnnl_primitive_desc_destroy(pd);
	return failed;
}

// newConvolution prepares a pass on the operands x, w (in HWIO) and y.
static dnnl_status_t newConvolution(convolution **made, direction which, const geometry *g, int counted,
		float **x, float **w, float **y) {
	static const int args[][operands] = {
		[forward] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST},
		[backwardData] = {DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_DST},
		[backwardFilter] = {DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_DST},
	};
	dnnl_status_t failed = dnnl_success;
	if (!engine) failed = dnnl_engine_create(&engine, dnnl_cpu, 0);
	if (failed) return failed;
	convolution *c = calloc(1, sizeof *c);
	if (!c) return dnnl_out_of_memory;
	c->gradient = which == backwardFilter;
	c->counted = counted;
	for (int i = 0; i < operands; i++) c->args[i] = args[which][i];

	dnnl_primitive_desc_t pd = NULL;
	failed = dnnl_stream_create(&c->stream, engine, dnnl_stream_default_flags);
	if (!failed) failed = describe(&pd, which, g);
	if (!failed) failed = dnnl_primitive_create(&c->pass, pd);
	dnnl_memory_desc_t descs[operands], hwio;
	if (!failed) {
		for (int i = 0; i < operands; i++) descs[i] = *dnnl_primitive_desc_query_md(pd, dnnl_query_exec_arg_md, c->args[i]);
		failed = dnnl_memory_desc_init_by_tag(&hwio, 4, g->w, dnnl_f32, dnnl_hwio);
	}
	if (pd) dnnl_primitive_desc_destroy(pd);
	int same = !failed && dnnl_memory_desc_equal(&hwio, &descs[1]);
	if (!failed && !same) failed = makeReorder(c, &hwio, &descs[1]);
	for (int set = 0; set < sets && !failed; set++) {
		failed = dnnl_memory_create(&c->memory[set][0], &descs[0], engine, x[set]);
		if (!failed) failed = dnnl_memory_create(&c->hwio[set], &hwio, engine, w[set]);
		if (!failed) failed = dnnl_memory_create(&c->memory[set][2], &descs[2], engine, y[set]);
		if (!failed && same) c->memory[set][1] = c->hwio[set];
		if (!failed && !same) failed = dnnl_memory_create(&c->memory[set][1], &descs[1], engine, DNNL_MEMORY_ALLOCATE);
	}
	if (!failed && !c->gradient) failed = reorderAll(c);
	if (failed) {
		freeConvolution(c);
		return failed;
	}
	*made = c;
	return dnnl_success;
}
*/
import "C"

import (
	"fmt"
	"os"

	"github.com/steppe-ml/steppe/conv"

	"github.com/steppe-ml/steppe/bench/peers/child"
	"github.com/steppe-ml/steppe/bench/peers/protocol"
)

// convolve prepares a pass on NHWC memory, as our side and PyTorch's channels_last have it. If
// PEERS_REORDERS is set, each run converts filters between HWIO and the primitive's format;
// otherwise filters are in that format already.
func convolve(c *child.Convolution) (ready child.Convolving, err error) {
	which := map[string]C.direction{
		protocol.Forward: C.forward, protocol.BackwardData: C.backwardData, protocol.BackwardFilter: C.backwardFilter,
	}[c.Pass]
	g := geometryOf(c.Geometry)
	var made *C.convolution
	x, w, y := c.X, c.W, c.Y // copies, because C mustn't see the pointers to Go's heap beside them
	counted := os.Getenv(protocol.ReordersVar) != ""
	if status := C.newConvolution(&made, which, &g, flag(counted), pointers(&x), pointers(&w), pointers(&y)); status != C.dnnl_success {
		return ready, fmt.Errorf("oneDNN: status %d", status)
	}
	ready.Run = func(first, times int) {
		if failed := C.convolve(made, C.int(first), C.int(times)); failed != 0 {
			panic(fmt.Sprintf("oneDNN at %v: status %d", c.Convolution, failed))
		}
	}
	if c.Pass == protocol.BackwardFilter && !counted {
		ready.Results = func() error {
			if failed := C.reorderAll(made); failed != 0 {
				return fmt.Errorf("oneDNN: status %d", failed)
			}
			return nil
		}
	}
	ready.Free = func() { C.freeConvolution(made) }
	return ready, nil
}

// geometryOf returns a geometry in oneDNN's conventions: channels come before pixels, whatever the
// order in memory, and a dilation of 0 means none.
func geometryOf(g conv.Geometry) C.geometry {
	dims := func(sizes ...int) (d C.dnnl_dims_t) {
		for i, s := range sizes {
			d[i] = C.dnnl_dim_t(s)
		}
		return d
	}
	return C.geometry{
		x:         dims(g.Batch, g.InC, g.InH, g.InW),
		w:         dims(g.OutC, g.InC, g.KernelH, g.KernelW),
		y:         dims(g.Batch, g.OutC, g.OutH(), g.OutW()),
		strides:   dims(max(1, g.StrideH), max(1, g.StrideW)),
		dilations: dims(max(1, g.DilationH)-1, max(1, g.DilationW)-1),
		padBefore: dims(g.PadTop, g.PadLeft),
		padAfter:  dims(g.PadBottom, g.PadRight),
	}
}
