package pgwire

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestPeekHeader_ReadsTypeAndSize(t *testing.T) {
	tests := []struct {
		name  string
		in    string
		limit int
		want  Header
		ok    bool
		err   error
	}{
		{"nothing", "", 10, Header{}, false, nil},
		{"half a header", "Q\x00\x00\x00", 10, Header{}, false, nil},
		{"an empty body", "S\x00\x00\x00\x04", 10, Header{'S', 0}, true, nil},
		{"more than one message", "Q\x00\x00\x00\x06a\x00Q", 10, Header{'Q', 2}, true, nil},
		{"a body at the limit", "Q\x00\x00\x00\x0e", 10, Header{'Q', 10}, true, nil},
		{"a body over the limit", "Q\x00\x00\x00\x0f", 10, Header{}, false, ErrLength},
		{"a length below four", "Q\x00\x00\x00\x03", 10, Header{}, false, ErrLength},
		{"length zero", "Q\x00\x00\x00\x00", 10, Header{}, false, ErrLength},
		{"the largest length", "Q\xff\xff\xff\xff", 1 << 30, Header{}, false, ErrLength},
		{"a negative length", "Q\x80\x00\x00\x00", 1 << 30, Header{}, false, ErrLength},
	}
	for _, tt := range tests {
		got, ok, err := PeekHeader([]byte(tt.in), tt.limit)
		if got != tt.want || ok != tt.ok || !errors.Is(err, tt.err) {
			t.Errorf("%s: got %v, %v, %v, want %v, %v, %v", tt.name, got, ok, err, tt.want, tt.ok, tt.err)
		}
	}
}

func TestHeader_TotalCountsTypeAndLength(t *testing.T) {
	if got := (Header{'Q', 7}).Total(); got != 12 {
		t.Errorf("got %d, want 12", got)
	}
}

func TestInbox_JoinsWhatWasKept(t *testing.T) {
	stream := []byte("one two three four five")
	for cut := range len(stream) {
		for keep := range cut + 1 {
			var in Inbox
			first := in.Join(stream[:cut])
			in.Keep(first[keep:])
			if got := in.Len(); got != cut-keep {
				t.Fatalf("cut at %d, %d read: got %d kept, want %d", cut, keep, got, cut-keep)
			}
			if got, want := string(in.Join(stream[cut:])), string(stream[keep:]); got != want {
				t.Fatalf("cut at %d, %d read: got %q, want %q", cut, keep, got, want)
			}
		}
	}
}

func TestInbox_CopiesWhatItKeeps(t *testing.T) {
	var in Inbox
	b := []byte("abcdef")
	in.Keep(in.Join(b)[2:])
	copy(b, "xxxxxx")
	if got := string(in.Join(nil)); got != "cdef" {
		t.Errorf("got %q, want %q", got, "cdef")
	}
}

func TestInbox_LeavesWhatStoodBeforeTheTail(t *testing.T) {
	var in Inbox
	in.Keep([]byte("abc"))
	joined := in.Join([]byte("defgh"))
	borrowed := joined[:6]
	in.Keep(joined[6:])
	in.Join([]byte("ijklmnop"))
	if got := string(borrowed); got != "abcdef" {
		t.Errorf("what was lent out became %q, want %q", got, "abcdef")
	}
}

func TestInbox_DoesNotCopyItsTailForEveryMessage(t *testing.T) {
	const size, message = 64 << 10, 5
	kept := make([]byte, size)
	bytes := func(keep func(in *Inbox)) int64 {
		return testing.Benchmark(func(b *testing.B) {
			for b.Loop() {
				var in Inbox
				in.Keep(kept)
				keep(&in)
			}
		}).AllocedBytesPerOp()
	}
	once := bytes(func(*Inbox) {})
	all := bytes(func(in *Inbox) {
		for b := in.Join(nil); len(b) > message; b = in.Join(nil) {
			in.Keep(b[message:])
		}
	})
	if all > 3*once {
		t.Errorf("got %d bytes copied in all, want at most 3 * %d", all, once)
	}
}

func TestInbox_DoesNotHoldMuchMoreThanItKeeps(t *testing.T) {
	var in Inbox
	in.Keep(make([]byte, 1000))
	in.Keep(in.Join(nil)[600:])
	if got := cap(in.kept); got > 600 {
		t.Errorf("got %d bytes held for 400", got)
	}
}

func TestInbox_GivesBackASliceUncopiedWhenNothingWasKept(t *testing.T) {
	var in Inbox
	b := []byte("abc")
	if got := in.Join(b); &got[0] != &b[0] {
		t.Error("got a copy, want the slice itself")
	}
}

func TestInbox_HoldsNoMemoryWhenEmpty(t *testing.T) {
	var in Inbox
	in.Keep(make([]byte, 1000))
	in.Join([]byte("x"))
	in.Keep(nil)
	if in.kept != nil || in.Len() != 0 {
		t.Errorf("got %d bytes of capacity kept, want none", cap(in.kept))
	}
}

func TestSplitParse_CutsTheNameOff(t *testing.T) {
	tests := []struct {
		name, body string
		stmt, rest string
		malformed  bool
	}{
		{name: "no parameters", body: "s\x00select 1\x00\x00\x00", stmt: "s", rest: "select 1\x00\x00\x00"},
		{name: "unnamed", body: "\x00select 1\x00\x00\x00", rest: "select 1\x00\x00\x00"},
		{name: "two parameters", body: "s\x00q\x00\x00\x02\x00\x00\x00\x17\x00\x00\x00\x19", stmt: "s", rest: "q\x00\x00\x02\x00\x00\x00\x17\x00\x00\x00\x19"},
		{name: "empty", body: "", malformed: true},
		{name: "no text", body: "s\x00", malformed: true},
		{name: "a text without end", body: "s\x00select", malformed: true},
		{name: "no count", body: "s\x00q\x00", malformed: true},
		{name: "half a count", body: "s\x00q\x00\x00", malformed: true},
		{name: "too few types", body: "s\x00q\x00\x00\x02\x00\x00\x00\x17", malformed: true},
		{name: "too many types", body: "s\x00q\x00\x00\x00\x00\x00\x00\x17", malformed: true},
		{name: "the largest count", body: "s\x00q\x00\xff\xff", malformed: true},
	}
	for _, tt := range tests {
		stmt, rest, err := SplitParse([]byte(tt.body))
		if (err != nil) != tt.malformed || string(stmt) != tt.stmt || string(rest) != tt.rest {
			t.Errorf("%s: got %q, %q, %v", tt.name, stmt, rest, err)
		}
	}
}

func TestSplitBind_NeedsNoMoreThanTheNames(t *testing.T) {
	body := "portal\x00statement\x00\x00\x00\x00\x01"
	for n := range len(body) + 1 {
		portal, statement, rest, ok := SplitBind([]byte(body[:n]))
		if want := n >= len("portal\x00statement\x00"); ok != want {
			t.Errorf("%d bytes: got ok %v, want %v", n, ok, want)
		}
		if ok && (string(portal) != "portal" || string(statement) != "statement" || string(rest) != body[17:n]) {
			t.Errorf("%d bytes: got %q, %q, %q", n, portal, statement, rest)
		}
	}
}

func TestSplitTarget_KnowsStatementsAndPortals(t *testing.T) {
	tests := []struct {
		body string
		what Target
		name string
		ok   bool
	}{
		{"Ss1\x00", Statement, "s1", true},
		{"P\x00", Portal, "", true},
		{"", 0, "", false},
		{"S", 0, "", false},
		{"Ss1", 0, "", false},
		{"Xs1\x00", 0, "", false},
		{"Ss\x001\x00", 0, "", false},
		{"\x00\x00", 0, "", false},
	}
	for _, tt := range tests {
		what, name, err := SplitTarget([]byte(tt.body))
		if (err == nil) != tt.ok || what != tt.what || string(name) != tt.name {
			t.Errorf("%q: got %c, %q, %v", tt.body, what, name, err)
		}
	}
}

func TestSplitExecute_ReadsPortalAndLimit(t *testing.T) {
	portal, rows, err := SplitExecute([]byte("p\x00\xff\xff\xff\xff"))
	if string(portal) != "p" || rows != 1<<32-1 || err != nil {
		t.Errorf("got %q, %d, %v", portal, rows, err)
	}
	for _, body := range []string{"", "p", "p\x00", "p\x00\x00\x00\x00", "p\x00\x00\x00\x00\x00\x00"} {
		if _, _, err := SplitExecute([]byte(body)); !errors.Is(err, ErrBody) {
			t.Errorf("%q: got %v, want ErrBody", body, err)
		}
	}
}

func TestSplitQuery_WantsOneString(t *testing.T) {
	if text, err := SplitQuery([]byte("select 1\x00")); string(text) != "select 1" || err != nil {
		t.Errorf("got %q, %v", text, err)
	}
	for _, body := range []string{"", "select 1", "select 1\x00x", "select\x001\x00"} {
		if _, err := SplitQuery([]byte(body)); !errors.Is(err, ErrBody) {
			t.Errorf("%q: got %v, want ErrBody", body, err)
		}
	}
}

func TestSplitParameterStatus_WantsTwoStrings(t *testing.T) {
	name, value, err := SplitParameterStatus([]byte("TimeZone\x00UTC\x00"))
	if string(name) != "TimeZone" || string(value) != "UTC" || err != nil {
		t.Errorf("got %q, %q, %v", name, value, err)
	}
	for _, body := range []string{"", "TimeZone", "TimeZone\x00", "TimeZone\x00UTC", "TimeZone\x00UTC\x00x"} {
		if _, _, err := SplitParameterStatus([]byte(body)); !errors.Is(err, ErrBody) {
			t.Errorf("%q: got %v, want ErrBody", body, err)
		}
	}
}

func TestReadError_ReadsAsFarAsItIsWellFormed(t *testing.T) {
	tests := []struct {
		body string
		want ErrorReport
	}{
		{"SFEHLER\x00VERROR\x00C42601\x00Mno\x00\x00", ErrorReport{Severity: "ERROR", Code: "42601", Message: "no"}},
		{"VERROR\x00SFEHLER\x00C42601\x00Mno\x00\x00", ErrorReport{Severity: "ERROR", Code: "42601", Message: "no"}},
		{"SFATAL\x00Mgone\x00\x00", ErrorReport{Severity: "FATAL", Code: "", Message: "gone"}},
		{"C42601\x00Mno end", ErrorReport{Code: "42601"}},
		{"", ErrorReport{}},
		{"\x00", ErrorReport{}},
		{"C", ErrorReport{}},
		{"\x00C42601\x00\x00", ErrorReport{}},
		{"Zunknown\x00C42601\x00\x00", ErrorReport{Code: "42601"}},
	}
	for _, tt := range tests {
		if got := ReadError([]byte(tt.body)); got != tt.want {
			t.Errorf("%q: got %+v, want %+v", tt.body, got, tt.want)
		}
	}
}

func TestErrorReport_FatalAndPanicEndTheConnection(t *testing.T) {
	for severity, want := range map[string]bool{"ERROR": false, "FATAL": true, "PANIC": true, "": false, "fatal": false} {
		if got := (ErrorReport{Severity: severity}).Fatal(); got != want {
			t.Errorf("%q: got %v, want %v", severity, got, want)
		}
	}
}

func TestAppendError_IsReadBack(t *testing.T) {
	want := ErrorReport{Severity: "ERROR", Code: "42601", Message: "no"}
	b := AppendError([]byte("before"), want)[len("before"):]
	h, ok, err := PeekHeader(b, 1000)
	if !ok || err != nil || h.Type != ErrorResponse || h.Total() != len(b) {
		t.Fatalf("got header %+v, %v, %v of %d bytes", h, ok, err, len(b))
	}
	if got := ReadError(b[HeaderLen:]); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestParseStartup_ReadsParametersInOrder(t *testing.T) {
	s, err := ParseStartup(Version30, []byte("user\x00u\x00database\x00d\x00user\x00v\x00_pq_.x\x00\x00\x00"))
	if err != nil {
		t.Fatal(err)
	}
	want := []Param{{"user", "u"}, {"database", "d"}, {"user", "v"}, {"_pq_.x", ""}}
	if !slices.Equal(s.Params, want) {
		t.Errorf("got %q, want %q", s.Params, want)
	}
	if got := s.Get("user"); got != "v" {
		t.Errorf("Get: got %q, want the last one, %q", got, "v")
	}
	if got := s.Unknown(); !slices.Equal(got, []string{"_pq_.x"}) {
		t.Errorf("Unknown: got %q", got)
	}
}

func TestParseStartup_RefusesOtherLayouts(t *testing.T) {
	for _, body := range []string{"", "user", "user\x00", "user\x00u", "user\x00u\x00", "\x00\x00", "user\x00u\x00\x00x"} {
		if _, err := ParseStartup(Version30, []byte(body)); !errors.Is(err, ErrBody) {
			t.Errorf("%q: got %v, want ErrBody", body, err)
		}
	}
	if _, err := ParseStartup(Version30, []byte{0}); err != nil {
		t.Errorf("no parameters: %v", err)
	}
}

func TestParseOptions_ReadsTheServersCommandLine(t *testing.T) {
	tests := []struct {
		in   string
		want []Param
	}{
		{"", nil},
		{"  ", nil},
		{"-c a=b", []Param{{"a", "b"}}},
		{"-ca=b", []Param{{"a", "b"}}},
		{"--a-b-c=d-e", []Param{{"a_b_c", "d-e"}}},
		{"-c a-b=c", []Param{{"a-b", "c"}}},
		{"-c a=b  -c c=d\t--e=f", []Param{{"a", "b"}, {"c", "d"}, {"e", "f"}}},
		{`-c a=b\ c`, []Param{{"a", "b c"}}},
		{`-c a=b\\c`, []Param{{"a", `b\c`}}},
		{"-c a=", []Param{{"a", ""}}},
		{"-c a=b=c", []Param{{"a", "b=c"}}},
		{`-c a=b\`, []Param{{"a", `b\`}}},
	}
	for _, tt := range tests {
		got, err := ParseOptions(tt.in)
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%q: got %q, %v, want %q", tt.in, got, err, tt.want)
		}
	}
	for _, in := range []string{"-c", "-c a", "--a", "-c =b", "--=b", "a=b", "-x", "-c -c a=b -c"} {
		if got, err := ParseOptions(in); err == nil {
			t.Errorf("%q: got %q, want an error", in, got)
		}
	}
}

func TestReadMessage_TakesNoByteTooMany(t *testing.T) {
	r := strings.NewReader("p\x00\x00\x00\x06ab" + "rest")
	typ, body, err := ReadMessage(r, 10)
	if typ != 'p' || string(body) != "ab" || err != nil {
		t.Errorf("got %c, %q, %v", typ, body, err)
	}
	if r.Len() != len("rest") {
		t.Errorf("got %d bytes left, want 4", r.Len())
	}
	if _, _, err := ReadMessage(strings.NewReader("p\x00\x00\x01\x00"), 10); !errors.Is(err, ErrLength) {
		t.Errorf("got %v, want ErrLength", err)
	}
	for _, in := range []string{"", "p\x00", "p\x00\x00\x00\x06a"} {
		if _, _, err := ReadMessage(strings.NewReader(in), 10); err == nil {
			t.Errorf("%q: got no error", in)
		}
	}
}

func TestReadStartup_TakesNoByteTooMany(t *testing.T) {
	r := strings.NewReader("\x00\x00\x00\x0a\x00\x03\x00\x00x\x00" + "rest")
	code, body, err := ReadStartup(r)
	if code != Version30 || string(body) != "x\x00" || err != nil || r.Len() != 4 {
		t.Errorf("got %x, %q, %v and %d left", code, body, err, r.Len())
	}
	for _, in := range []string{"\x00\x00\x00\x07", "\x00\x00\x27\x11", "\xff\xff\xff\xff", "\x00\x00\x00\x00"} {
		if _, _, err := ReadStartup(strings.NewReader(in + "\x00\x00\x00\x00")); !errors.Is(err, ErrLength) {
			t.Errorf("%x: got %v, want ErrLength", in, err)
		}
	}
}

func TestAppend_MessagesAreFramed(t *testing.T) {
	for name, b := range map[string][]byte{
		"AppendEmpty": AppendEmpty(nil, Sync), "AppendMessage": AppendMessage(nil, DataRow, []byte("abc")),
		"AppendString": AppendString(nil, Query, "select 1"), "AppendReady": AppendReady(nil, TxOpen),
		"AppendParse":  AppendParse(nil, "name", []byte("q\x00\x00\x00")),
		"AppendTarget": AppendTarget(nil, Close, Portal, "p"), "AppendParameterStatus": AppendParameterStatus(nil, "a", "b"),
		"AppendTextValue": AppendTextValue(nil, "value"), "AppendTextColumns": AppendTextColumns(nil, []string{"a", "b"}),
		"AppendNegotiate": AppendNegotiate(nil, []string{"_pq_.a"}),
		"AppendBindHead":  append(AppendBindHead(nil, []byte("p"), "s", 6), 0, 0, 0, 0, 0, 0),
	} {
		h, ok, err := PeekHeader(b, 1000)
		if !ok || err != nil || h.Total() != len(b) {
			t.Errorf("%s: got header %+v, %v, %v of %d bytes", name, h, ok, err, len(b))
		}
	}
}
