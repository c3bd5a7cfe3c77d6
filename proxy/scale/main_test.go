package scale_test

import (
	"os"
	"testing"

	"overdrive/proxy/proxytest"
)

func TestMain(m *testing.M) { os.Exit(proxytest.Main(m)) }
