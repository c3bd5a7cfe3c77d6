//go:build linux && !race

package faults

var raceFlags []string
