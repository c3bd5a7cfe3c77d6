package config

import (
	"errors"
	"fmt"
	"time"
)

// Vanished says how a server that is gone without a word is noticed, in libpq's parameters.
type Vanished struct {
	KeepAlives  bool     // whether the kernel probes a silent connection
	Idle        Duration // silence before the first probe
	Interval    Duration // between two probes
	Count       int      // probes that may stay without an answer
	UserTimeout Duration // for how long what was sent may stay unacknowledged; 0: the proxy's own rule
}

// DefaultVanished notices within about 30 seconds.
func DefaultVanished() Vanished {
	return Vanished{KeepAlives: true, Idle: Duration(15 * time.Second), Interval: Duration(5 * time.Second), Count: 3}
}

// Linux's own bounds.
const (
	maxKeepAliveSeconds = 32767
	maxKeepAliveCount   = 127
)

// parameter takes up one parameter of a URL. known is false if it is none of these. Zero leaves the default, as in libpq.
func (v *Vanished) parameter(name, value string) (known bool, err error) {
	switch name {
	case "keepalives":
		if value != "0" && value != "1" {
			return true, errors.New("keepalives must be 0 or 1")
		}
		v.KeepAlives = value == "1"
	case "keepalives_idle":
		v.Idle, err = keepAliveTime(name, value, v.Idle)
	case "keepalives_interval":
		v.Interval, err = keepAliveTime(name, value, v.Interval)
	case "keepalives_count":
		var n int
		if n, err = count(name, value, "probes"); n > maxKeepAliveCount {
			err = fmt.Errorf("keepalives_count must be at most %d", maxKeepAliveCount)
		} else if n > 0 {
			v.Count = n
		}
	case "tcp_user_timeout":
		var n int
		n, err = count(name, value, "milliseconds")
		v.UserTimeout = Duration(n) * Duration(time.Millisecond)
	default:
		return false, nil
	}
	return true, err
}

func keepAliveTime(name, value string, usual Duration) (Duration, error) {
	n, err := count(name, value, "seconds")
	switch {
	case err != nil || n == 0:
		return usual, err
	case n > maxKeepAliveSeconds:
		return usual, fmt.Errorf("%s must be at most %d seconds", name, maxKeepAliveSeconds)
	}
	return Duration(n) * Duration(time.Second), nil
}
