//go:build linux && race

package faults

// raceFlags has the program built as this test is.
var raceFlags = []string{"-race"}
