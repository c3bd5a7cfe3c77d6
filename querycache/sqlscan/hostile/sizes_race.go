//go:build race

package hostile

// Sizes are the lengths at which the cost of a text is looked at, in bytes. The race detector makes all of them ten times as dear,
// and a bend shows before the longest.
var Sizes = []int{1 << 10, 60 << 10}
