//go:build !unix

package main

import (
	"log/slog"

	"overdrive/config"
)

// warnOfDescriptors does nothing where there is no such limit.
func warnOfDescriptors(*config.Config, *slog.Logger) {}
