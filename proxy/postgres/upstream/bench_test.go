package upstream

import (
	"syscall"
	"testing"
	"time"
)

// BenchmarkConnect is a login at a real PostgreSQL, dial to hang-up. cpu is this process's time, the server's is not in it.
func BenchmarkConnect(b *testing.B) {
	for _, c := range []struct{ name, role, mode string }{
		{"trust", "trusted", "disable"}, {"scram", "scram", "disable"}, {"scram over TLS", "scram", "require"},
	} {
		b.Run(c.name, func(b *testing.B) {
			target := serverWithTLS(b).target(b, c.role, c.mode, "")
			cred, err := target.Credential()
			if err != nil {
				b.Fatal(err)
			}
			d := &Dialer{Target: target}
			b.ReportAllocs()
			before := processorTime(b)
			for b.Loop() {
				conn, err := d.Connect(b.Context(), cred)
				if err != nil {
					b.Fatal(err)
				}
				_ = conn.NC.Close()
			}
			b.ReportMetric(float64(processorTime(b)-before)/float64(b.N)/1e3, "cpu-µs/op")
		})
	}
}

func processorTime(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
