package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// scraped returns an address that is asked for metrics every second until ctx ends, whoever answers there.
func scraped(ctx context.Context) (address string, err error) {
	port, err := freePort()
	if err != nil {
		return "", err
	}
	address = fmt.Sprintf("127.0.0.1:%d", port)
	go func() {
		for tick := time.NewTicker(time.Second); ; {
			select {
			case <-ctx.Done():
				tick.Stop()
				return
			case <-tick.C:
				if answer, err := http.Get("http://" + address + "/metrics"); err == nil { // before it listens nobody answers
					_, _ = io.Copy(io.Discard, answer.Body)
					_ = answer.Body.Close()
				}
			}
		}
	}()
	return address, nil
}
