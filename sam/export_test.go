package sam

// WithSegments returns c with the least floats of a bucket that a rank adds up.
func (c Config) WithSegments(floats int) Config {
	c.force.segment = floats
	return c
}
