// This file is added to the program cmd/overdrive when the tests of proxy/faults build it (go build -overlay). It tells what
// the program cannot be asked from outside.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
)

func init() {
	path := os.Getenv("OVERDRIVE_FAULTS_FIGURES")
	if path == "" {
		return
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/goroutines", func(w http.ResponseWriter, _ *http.Request) {
		debug.FreeOSMemory() // the test reads next what memory is left
		fmt.Fprint(w, runtime.NumGoroutine())
	})
	mux.HandleFunc("/stacks", func(w http.ResponseWriter, _ *http.Request) {
		_ = pprof.Lookup("goroutine").WriteTo(w, 1)
	})
	go func() { panic(http.Serve(l, mux)) }()
}
