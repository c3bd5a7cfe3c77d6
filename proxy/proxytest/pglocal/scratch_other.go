//go:build !linux

package pglocal

// scratchRoot returns where data directories are made: "", the usual place.
func scratchRoot() string { return "" }
