package main

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collect starts a collector, and returns its address and the spans that come.
func collect(t *testing.T) (endpoint string, came <-chan *otlp.Span) {
	t.Helper()
	all := make(chan *otlp.Span, 1000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var export collector.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(body, &export)
		}
		if err != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("%s: %v", r.URL.Path, err)
		}
		for _, resource := range export.GetResourceSpans() {
			for _, scope := range resource.GetScopeSpans() {
				for _, span := range scope.GetSpans() {
					all <- span
				}
			}
		}
	}))
	t.Cleanup(server.Close)
	return server.URL, all
}

// attributesOf returns those of a span, as text.
func attributesOf(span *otlp.Span) map[string]string {
	all := make(map[string]string)
	for _, a := range span.GetAttributes() {
		all[a.GetKey()] = a.GetValue().GetStringValue()
	}
	return all
}

func nextSpan(t *testing.T, came <-chan *otlp.Span) *otlp.Span {
	t.Helper()
	select {
	case span := <-came:
		return span
	case <-time.After(30 * time.Second):
		t.Fatal("no span came")
		return nil
	}
}

const traceOfClient = "0af7651916cd43dd8448eb211c80319c"

func comment(sampled string) string {
	return " /*action='x',traceparent='00-" + traceOfClient + "-b7ad6b7169203331-" + sampled + "'*/"
}

// Spans are joined to the trace that a client names, and only to one that is sampled; the program's end loses none.
func TestTraces_JoinThoseOfClients(t *testing.T) {
	endpoint, came := collect(t)
	path := file(t, "o.yaml", reloadable(t, "one")+"traces: {endpoint: "+endpoint+", sample: 0}\n")
	s, _ := serveHere(t, "--config", path)
	conn := login(t, dsnOf(s, "app", "pw", "one"))
	execute(t, conn, "select 1"+comment("00"))
	execute(t, conn, "select 1")
	execute(t, conn, "select 1"+comment("01"))
	result := conn.ExecParams(t.Context(), "select 1/$1::int"+comment("01"), [][]byte{[]byte("0")}, nil, nil, nil).Read()
	if result.Err == nil {
		t.Fatal("a division by zero has a result")
	}
	for i, code := range []string{"", "22012"} {
		span := nextSpan(t, came)
		if got := hex.EncodeToString(span.GetTraceId()) + " " + hex.EncodeToString(span.GetParentSpanId()); got != traceOfClient+" b7ad6b7169203331" {
			t.Errorf("span %d belongs to %s", i, got)
		}
		got := attributesOf(span)
		if got["db.namespace"] != "one" || got["overdrive.user"] != "postgres" || len(got["overdrive.fingerprint"]) != 16 || got["db.response.status_code"] != code {
			t.Errorf("span %d has %v, want the code %q", i, got, code)
		}
	}
	select {
	case span := <-came:
		t.Errorf("another span: %v", span)
	default:
	}
}

func TestTraces_ASampleIsDrawnOfTheOthers(t *testing.T) {
	endpoint, came := collect(t)
	path := file(t, "o.yaml", reloadable(t, "one"))
	s, _ := serveHere(t, "--config", path)
	conn := login(t, dsnOf(s, "app", "pw", "one"))
	execute(t, conn, "select 0")
	rewrite(t, path, reloadable(t, "one")+"traces: {endpoint: "+endpoint+", sample: 100%}\n")
	if err := s.reload(); err != nil {
		t.Fatal(err)
	}
	execute(t, conn, "begin; select 1")
	execute(t, conn, "commit"+comment("00"))
	span := nextSpan(t, came)
	if len(span.GetParentSpanId()) != 0 || span.GetEndTimeUnixNano() < span.GetStartTimeUnixNano() {
		t.Errorf("got %v", span)
	}
	execute(t, conn, "select 2")
	if status := attributesOf(nextSpan(t, came))["overdrive.cache.status"]; status == "" {
		t.Error("no status")
	}
}

// A slow statement is told of with its times, and without its text.
func TestLog_TellsOfSlowStatements(t *testing.T) {
	path := file(t, "o.yaml", reloadable(t, "one")+"log: {slow_statement: 1s}\n")
	s, _ := serveHere(t, "--config", path)
	conn := login(t, dsnOf(s, "app", "pw", "one"))
	execute(t, conn, "select 'quick secret'")
	execute(t, conn, "select 'slow secret', pg_sleep(1.1)")
	line := s.await("slow statement")
	took, _ := line["took"].(float64) // nanoseconds
	upstream, _ := line["upstream"].(float64)
	if took < 1100e6 || upstream < 1090e6 || upstream > took {
		t.Errorf("took %v, upstream %v", line["took"], line["upstream"])
	}
	if line["db"] != "one" || line["user"] != "postgres" || len(fmt.Sprint(line["fingerprint"])) != 16 {
		t.Errorf("got %v", line)
	}
	for _, l := range line {
		if strings.Contains(fmt.Sprint(l), "secret") {
			t.Errorf("a constant was logged: %v", line)
		}
	}
}
