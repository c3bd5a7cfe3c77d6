package session

import (
	"testing"

	"overdrive/proxy/proxytest"
)

// In a full pool the keeper gives its slot away, and puts the catalog aside, every few seconds.
func TestMarks_ACatalogThatIsPutBackMakesNoWriteOneOfEverything(t *testing.T) {
	st := newStage(t, setup{cache: true})
	st.db = map[string]int{}
	writer, reader := st.connect("writer"), st.connect("reader")
	cached := proxytest.Query("select a from t1")
	reader.sends(cached)
	st.settle()
	writer.sends(proxytest.Query("begin"), proxytest.Query("update t set a = a + 1"))
	st.settle()
	usual := st.identity.Usual.Classifier
	usual.SetCatalog(usual.Suspend())
	writer.sends(proxytest.Query("commit"))
	st.settle()
	before := st.identity.Cache.Stats().Hits
	reader.sends(cached)
	st.settle()
	if st.identity.Cache.Stats().Hits != before+1 {
		t.Error("a write to one table has invalidated what depends on another")
	}
}
