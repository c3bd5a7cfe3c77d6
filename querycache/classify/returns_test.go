package classify

import (
	"fmt"
	"testing"
)

func TestReturns_AreThoseBehindWhichSomethingStands(t *testing.T) {
	for text, want := range map[string]string{
		"reset a": "[]", "reset a;": "[]", "reset a; ;": "[]", "reset a;select 1": "[{[a] 1 8}]", "select 1; reset A ; select 2": "[{[a] 2 19}]",
		"reset all; set b to default; select 1": "[{[all] 1 10} {[b] 2 28}]", "set time zone default; select 1": "[{[timezone] 1 22}]",
		"set local b to default; select 1": "[]", "set b to 1; select 1": "[]", "select 'reset a; select 1'; select 2": "[]", "reset \"a;b\"; select 1": "[{[a;b] 1 12}]",
		"create rule r as on insert to t do (reset a; select 1); select 1": "[]", "create function f() begin atomic reset a; select 1; end; select 1": "[]",
		"/* reset a; */ select 1; select 2": "[]", "reset a.b; select 1": "[{[a.b] 1 10}]", "set names; reset b; reset c": "[{[client_encoding] 1 10} {[b] 2 19}]",
	} {
		if got := fmt.Sprint(Returns([]byte(text))); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}
