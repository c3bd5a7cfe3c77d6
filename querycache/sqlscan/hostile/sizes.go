//go:build !race

package hostile

// Sizes are the lengths at which the cost of a text is looked at, in bytes.
var Sizes = []int{1 << 10, 10 << 10, 60 << 10, 250 << 10}
