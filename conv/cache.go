package conv

import "sync"

// cache has what was planned before, so that a pass plans nothing and allocates
// nothing. A program has few geometries; one that makes up ever new ones starts
// again at mostPlans.
type cache[K comparable, P any] struct {
	mutex sync.RWMutex
	plans map[K]*P
}

const mostPlans = 1024

// find returns the plan of a key, nil if there is none.
func (c *cache[K, P]) find(key K) *P {
	c.mutex.RLock()
	defer c.mutex.RUnlock()
	return c.plans[key]
}

func (c *cache[K, P]) add(key K, p *P) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.plans == nil || len(c.plans) >= mostPlans {
		c.plans = map[K]*P{}
	}
	c.plans[key] = p
}
