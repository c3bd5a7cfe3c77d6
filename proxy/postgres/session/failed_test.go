package session

import (
	"testing"

	"overdrive/proxy/proxytest"
)

// errorWith is an ErrorResponse with some more fields.
func errorWith(fields ...string) []byte {
	return proxytest.ErrorResponse(append([]string{"SERROR", "VERROR", "C42601", "Msyntax error"}, fields...)...)
}

// What has certainly not happened takes nothing from the cache, and what may have does, whatever SQLSTATE it failed with.
func TestMarks_AreTakenBackWhereTheErrorProvesThatNothingWasWritten(t *testing.T) {
	unit := func(text string) []byte {
		return says(proxytest.Parse("", text), proxytest.Bind("", "", nil, nil, nil), proxytest.Execute("", 0), proxytest.Sync())
	}
	grammar := errorWith("P1", "Fscan.l", "Rscanner_yyerror")
	ready, failed, open := proxytest.ReadyForQuery('I'), proxytest.ReadyForQuery('E'), proxytest.ReadyForQuery('T')
	done := proxytest.CommandComplete
	for name, tt := range map[string]struct {
		sends, answers [][]byte
		counts         bool
	}{
		"a syntax error":                             {[][]byte{proxytest.Query("selct 1")}, [][]byte{grammar, ready}, false},
		"one of gram.y":                              {[][]byte{proxytest.Query("selct 1")}, [][]byte{errorWith("P1", "Fgram.y"), ready}, false},
		"the SQLSTATE alone":                         {[][]byte{proxytest.Query("selct 1")}, [][]byte{errorWith("P1"), ready}, true},
		"the same raised in a function":              {[][]byte{proxytest.Query("selct 1")}, [][]byte{errorWith("Fpl_exec.c", "Wf()"), ready}, true},
		"one of a text in a function":                {[][]byte{proxytest.Query("selct 1")}, [][]byte{errorWith("p1", "qselct", "Fscan.l"), ready}, true},
		"one below a call":                           {[][]byte{proxytest.Query("call p()")}, [][]byte{errorWith("P1", "Fscan.l", "Wp()"), ready}, true},
		"one without a place":                        {[][]byte{proxytest.Query("call p()")}, [][]byte{errorWith("Fscan.l"), ready}, true},
		"one behind a statement of the text":         {[][]byte{proxytest.Query("call p(); create function f() as 'selct'")}, [][]byte{done("CALL"), grammar, ready}, true},
		"an error that answers Parse":                {[][]byte{unit("selct 1")}, [][]byte{errorWith(), ready}, false},
		"an error that answers Bind":                 {[][]byte{unit("call p()")}, [][]byte{[]byte("1\x00\x00\x00\x04"), errorWith(), ready}, true},
		"a batch with a statement before it":         {[][]byte{says(unit("call p()")[:len(unit("call p()"))-5], unit("selct"))}, [][]byte{[]byte("1\x00\x00\x00\x04"), []byte("2\x00\x00\x00\x04"), done("CALL"), errorWith(), ready}, true},
		"a procedure":                                {[][]byte{proxytest.Query("call p()")}, [][]byte{errorWith(), ready}, true},
		"a function":                                 {[][]byte{proxytest.Query("select nosuch()")}, [][]byte{errorWith(), ready}, false},
		"a function, and it succeeds":                {[][]byte{proxytest.Query("select nosuch()")}, [][]byte{done("SELECT 1"), ready}, true},
		"a function in a text of several":            {[][]byte{proxytest.Query("select nosuch(); select 1")}, [][]byte{errorWith(), ready}, true},
		"DDL":                                        {[][]byte{proxytest.Query("alter table t add b int")}, [][]byte{errorWith(), ready}, false},
		"DDL that commits parts":                     {[][]byte{proxytest.Query("create index concurrently on t ((a + 1))")}, [][]byte{errorWith(), ready}, true},
		"a procedure in a block":                     {[][]byte{proxytest.Query("begin"), proxytest.Query("call p()"), proxytest.Query("rollback")}, [][]byte{done("BEGIN"), open, errorWith(), failed, done("ROLLBACK"), ready}, false},
		"a procedure in a block that is committed":   {[][]byte{proxytest.Query("begin"), proxytest.Query("call p()"), proxytest.Query("commit")}, [][]byte{done("BEGIN"), open, done("CALL"), open, done("COMMIT"), ready}, true},
		"a block that a text may have ended in":      {[][]byte{proxytest.Query("begin"), proxytest.Query("rollback; call p()")}, [][]byte{done("BEGIN"), open, done("ROLLBACK"), errorWith(), ready}, true},
		"an update, then an error, and it is undone": {[][]byte{proxytest.Query("begin"), proxytest.Query("update t set a = 1"), proxytest.Query("selct 1"), proxytest.Query("rollback")}, [][]byte{done("BEGIN"), open, done("UPDATE 1"), open, grammar, failed, done("ROLLBACK"), ready}, false},
	} {
		t.Run(name, func(t *testing.T) {
			st := newStage(t, setup{cache: true})
			c := st.connect("client")
			version := st.identity.Usual.Classifier.Version()
			before := st.identity.Cache.Stats().Invalidations
			answers := tt.answers
			for _, message := range tt.sends {
				c.sends(message)
				for len(answers) > 0 {
					next := answers[0]
					answers = answers[1:]
					st.servers[0].sends(next)
					if next[0] == 'Z' {
						break
					}
				}
			}
			st.wantNoMarks(t)
			if got := st.identity.Cache.Stats().Invalidations - before; (got > 0) != tt.counts {
				t.Errorf("%d invalidations, want some: %v", got, tt.counts)
			}
			if forgot := st.identity.Usual.Classifier.Version() != version; forgot && !tt.counts {
				t.Error("the catalog was forgotten")
			}
		})
	}
}
