package sqlscan_test

import (
	"testing"

	"overdrive/querycache/sqlscan"
	"overdrive/querycache/sqlscan/hostile"
)

// scanAll does with a text all that this package can do.
func scanAll(text []byte) {
	shape, _ := sqlscan.AppendShape(nil, text)
	sqlscan.Shape(text)
	sqlscan.AppendKey(shape[:0], text)
	sqlscan.Hint(text)
	sqlscan.HasSpecialDate(text)
}

func TestScan_TimePerByteDoesNotBend(t *testing.T) {
	hostile.CheckLinear(t, scanAll)
}

func FuzzScan_TimePerByte(f *testing.F) {
	for _, text := range hostile.Texts() {
		f.Add(text.Make(40))
	}
	f.Fuzz(func(t *testing.T, sql string) {
		hostile.CheckTime(t, []byte(sql), scanAll)
	})
}
