package session

import (
	"testing"

	"overdrive/proxy/postgres/settings"
	"overdrive/proxy/proxytest"
	"overdrive/querycache/classify"
)

// The classifier, which may not know the table, takes the same parameters for those that names, rights and the reading of texts
// hang on.
func TestParameters_AreTheSameForTheClassifier(t *testing.T) {
	classifier := classify.New(nil)
	for _, p := range settings.Parameters() {
		v := classifier.Judge([]byte("SET LOCAL " + p.Name + " TO 'x'"))
		for bit, trait := range map[classify.Session]settings.Trait{classify.Renames: settings.Names, classify.Recodes: settings.Recodes} {
			if got, want := v.Session.Has(bit), settings.Has(settings.Fold(p.Name), trait); got != want {
				t.Errorf("SET LOCAL %s: the verdict has bit %#x: %v; the table says %v", p.Name, bit, got, want)
			}
		}
	}
}

// How a text is read may change with SET LOCAL, too. What is sent behind it, before the server has said how it reads from now on,
// may write what the text does not show.
func TestRecodes_NothingBehindSetLocalIsTakenByItsText(t *testing.T) {
	for _, set := range []string{
		"set local standard_conforming_strings = off", "select set_config('standard_conforming_strings', 'off', true)",
		"set local client_encoding = 'SJIS'",
	} {
		st := newStage(t, setup{cache: true})
		c := st.connect("client")
		c.sends(proxytest.Query("begin"), proxytest.Query(set), proxytest.Query(`select '\''; delete from t1; --'`))
		st.server("server").sends(proxytest.CommandComplete("BEGIN"), proxytest.ReadyForQuery('T'))
		open := st.servers[0].conn.marks.open
		if len(open) == 0 || !open[len(open)-1].blunt {
			t.Errorf("%s: what was sent behind it is not taken for one that may write", set)
		}
	}
}
