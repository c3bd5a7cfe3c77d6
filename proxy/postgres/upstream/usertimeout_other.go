//go:build !linux

package upstream

import "time"

// setUserTimeout does nothing, as libpq does where there is no such option.
func setUserTimeout(int, time.Duration) error { return nil }
