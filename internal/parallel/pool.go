package parallel

import "sync"

// Pool keeps values that are to be used again, with the memory that they hold: as
// many as were ever in use at the same time. Unlike a sync.Pool it never drops any,
// so that a steady state allocates nothing.
type Pool[T any] struct {
	mutex sync.Mutex
	idle  []*T
}

// Get returns a value of the pool, or a new one.
func (p *Pool[T]) Get() *T {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if last := len(p.idle) - 1; last >= 0 {
		v := p.idle[last]
		p.idle = p.idle[:last]
		return v
	}
	return new(T)
}

// Put gives a value back.
func (p *Pool[T]) Put(v *T) {
	p.mutex.Lock()
	p.idle = append(p.idle, v)
	p.mutex.Unlock()
}
