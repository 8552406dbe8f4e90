package parallel

// CeilDiv returns a/b, rounded up: how many pieces of size b it takes to cover a.
func CeilDiv(a, b int) int { return (a + b - 1) / b }
