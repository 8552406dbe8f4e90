package ranks

import (
	"fmt"

	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/simd"
)

// Exchange sends send[r] to each rank r, and receives in receive[r] what r has sent to this rank.
func (r *Rank) Exchange(send, receive [][]float32) error {
	if err := CheckParts(r.number, r.Size(), send, receive); err != nil {
		return err
	}
	if err := r.world.begin(r.number, call{method: exchange, send: send, receive: receive}); err != nil {
		return err
	}
	for from := range r.world.calls {
		copy(receive[from], r.world.calls[from].send[r.number])
	}
	r.world.finish()
	return nil
}

// Sum replaces x by the sum of the ranks' x, added in the order of their numbers.
func (r *Rank) Sum(x []float32) error {
	w := r.world
	if err := w.begin(r.number, call{method: sum, floats: x}); err != nil {
		return err
	}
	// Each rank adds a part of x for all.
	from, to := parallel.Cut(len(x), 1, r.Size(), r.number)
	total := w.calls[0].floats[from:to]
	for i := 1; i < r.Size(); i++ {
		simd.Add(total, total, w.calls[i].floats[from:to])
	}
	for i := 1; i < r.Size(); i++ {
		copy(w.calls[i].floats[from:to], total)
	}
	w.finish()
	return nil
}

// Broadcast replaces x on all ranks by that of root.
func (r *Rank) Broadcast(x []byte, root int) error {
	if err := CheckRoot(r.Size(), root); err != nil {
		return err
	}
	if err := r.world.begin(r.number, call{method: broadcast, bytes: x, root: root}); err != nil {
		return err
	}
	if r.number != root {
		copy(x, r.world.calls[root].bytes)
	}
	r.world.finish()
	return nil
}

// Gather returns copies of what each rank has given, by rank.
func (r *Rank) Gather(x []byte) ([][]byte, error) {
	if err := r.world.begin(r.number, call{method: gather, bytes: x}); err != nil {
		return nil, err
	}
	all := make([][]byte, r.Size())
	for i := range all {
		all[i] = append([]byte{}, r.world.calls[i].bytes...)
	}
	r.world.finish()
	return all, nil
}

// Barrier returns when all ranks have called it.
func (r *Rank) Barrier() error {
	if err := r.world.begin(r.number, call{method: barrier}); err != nil {
		return err
	}
	r.world.finish()
	return nil
}

// CheckParts checks the arguments of an Exchange, as far as one rank can.
func CheckParts(rank, size int, send, receive [][]float32) error {
	if len(send) != size || len(receive) != size {
		return fmt.Errorf("Exchange: %d parts to send and %d to receive, want one for each of %d ranks", len(send), len(receive), size)
	}
	if len(send[rank]) != len(receive[rank]) {
		return fmt.Errorf("Exchange: rank %d sends itself %d floats and expects %d", rank, len(send[rank]), len(receive[rank]))
	}
	return nil
}

// CheckRoot checks the number of a Broadcast's root.
func CheckRoot(size, root int) error {
	if root < 0 || root >= size {
		return fmt.Errorf("Broadcast: the root is rank %d of %d ranks", root, size)
	}
	return nil
}
