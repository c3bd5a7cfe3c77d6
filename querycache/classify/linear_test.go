package classify

import (
	"testing"

	"overdrive/querycache/sqlscan/hostile"
)

// judgeFresh returns a reader of texts that judges each as if it had never been seen, and then looks it up as a loop does.
func judgeFresh(tb testing.TB) func(text []byte) {
	catalog := settled(tb).Catalog()
	return func(text []byte) {
		c := New(nil)
		c.SetCatalog(catalog, c.Generation())
		c.Judge(text)
		c.Recall(text)
	}
}

func TestJudge_TimePerByteDoesNotBend(t *testing.T) {
	hostile.CheckLinear(t, judgeFresh(t))
}

func FuzzJudge_TimePerByte(f *testing.F) {
	for _, text := range hostile.Texts() {
		f.Add(text.Make(40))
	}
	read := judgeFresh(f)
	f.Fuzz(func(t *testing.T, sql string) {
		hostile.CheckTime(t, []byte(sql), read)
	})
}
