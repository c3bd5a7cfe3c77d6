package session_test

import (
	"os"
	"testing"

	"overdrive/proxy/proxytest"
)

// The few tests whose names end in OnPostgres ask a server; the others need none.
func TestMain(m *testing.M) { os.Exit(proxytest.Main(m)) }
