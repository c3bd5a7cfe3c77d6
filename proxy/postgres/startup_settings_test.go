package postgres

import (
	"fmt"
	"slices"
	"testing"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/postgres/settings"
	"overdrive/querycache/sqlscan/hostile"
)

func TestStartupSettings_TheLastOfANameCounts(t *testing.T) {
	got, err := startupSettings([]pgwire.Param{
		{Name: "TimeZone", Value: "UTC"}, {Name: "user", Value: "u"}, {Name: "a.b", Value: "1"},
		{Name: "options", Value: "-c timezone=PRC -c c=2"}, {Name: "A.B", Value: "3"}, {Name: "_pq_.x", Value: ""},
	})
	want := []settings.Setting{settings.Of("c", "2"), settings.Of("TimeZone", "UTC"), settings.Of("A.B", "3")}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

func TestStartupSettings_TimePerByteDoesNotBend(t *testing.T) {
	hostile.CheckText(t, hostile.Text{Name: "parameters", Make: func(n int) string {
		var b []byte
		for i := range n / 6 {
			b = fmt.Appendf(b, "a%x\x001\x00", i)
		}
		return string(append(b, 0))
	}}, func(b []byte) {
		s, err := pgwire.ParseStartup(pgwire.Version30, b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := startupSettings(s.Params); err != nil {
			t.Fatal(err)
		}
	})
}
