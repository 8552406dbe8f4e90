package net

import (
	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/net/op"
)

// rowShards are shards counted in rows rather than samples, kept for the next call.
type rowShards struct{ shards, memory []op.Shard }

var rowShardsPool parallel.Pool[rowShards]

// ofRows returns the rows of t that each shard has.
func ofRows(shards []op.Shard, t op.Tensor) *rowShards {
	r := rowShardsPool.Get()
	if r.shards = shards; t.Starts != nil || t.Run(0).N != 1 {
		r.memory = r.memory[:0]
		for _, s := range shards {
			r.memory = append(r.memory, t.RowsOf(s))
		}
		r.shards = r.memory
	}
	return r
}

func (r *rowShards) release() {
	r.shards = nil
	rowShardsPool.Put(r)
}

// byRow returns t with each row a sample.
func byRow(t op.Tensor) op.Tensor {
	if len(t.Shape) == 1 && t.Starts == nil {
		return t
	}
	return op.Tensor{N: t.Rows(), Shape: t.Shape[len(t.Shape)-1:], Data: t.Data}
}
