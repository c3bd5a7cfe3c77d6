package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestQuantile_IsTheSmallestThatThePartDoesNotExceed(t *testing.T) {
	var hundred []time.Duration
	for i := range 100 {
		hundred = append(hundred, time.Duration(100-i))
	}
	for q, want := range map[float64]time.Duration{0: 1, 0.5: 50, 0.95: 95, 1: 100} {
		if got := quantile(hundred, q); got != want {
			t.Errorf("%v of 1 to 100 is %d, want %d", q, got, want)
		}
	}
	if got := quantile([]float64{7}, 0.95); got != 7 {
		t.Errorf("of 7 alone it is %v", got)
	}
}

func TestFigures_AreTakenInTurnAndEachRoundBeginsWithAnother(t *testing.T) {
	var order strings.Builder
	note := func(name string) *series {
		return &series{name: name, do: func(context.Context) error { order.WriteString(name); return nil }}
	}
	all := figures{note("a"), note("b"), note("c")}
	if err := all.interleave(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := order.String()[:12]; got != "abcbcacababc" {
		t.Errorf("the order is %s", got)
	}
	for _, one := range all {
		if len(one.times) != measured {
			t.Errorf("%s was measured %d times", one.name, len(one.times))
		}
	}
}

func TestAtOnce_EndsWithTheFirstError(t *testing.T) {
	broken := errors.New("broken")
	if err := atOnce(t.Context(), func(context.Context) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if err := atOnce(t.Context(), func(context.Context) error { return nil }); err != nil {
		t.Errorf("without an error it ends with %v", err)
	}
}
