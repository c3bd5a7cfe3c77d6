package proxytest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

const scriptDir = "../../testdata/scripts"

// A script is worth something only if the same server always answers it alike, however often it is run.
func TestScripts_GetTheSameAnswersTwiceFromPostgres(t *testing.T) {
	pg := SharedPostgres(t)
	setup, err := os.ReadFile(filepath.Join(scriptDir, "setup.sql"))
	if err != nil {
		t.Fatal(err)
	}
	pg.Exec("create database scripts")
	pg.ExecIn("scripts", string(setup))
	dial := func(string) (*Wire, error) {
		return Dial(t.Context(), pg.Addr(), Login{User: "postgres", Database: "scripts"})
	}
	paths, err := filepath.Glob(filepath.Join(scriptDir, "*.txt"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			script, err := ReadScript(path)
			if err != nil {
				t.Fatal(err)
			}
			first, err := script.Run(dial)
			if err != nil {
				t.Fatalf("%v after\n%v", err, first)
			}
			second, err := script.Run(dial)
			if err != nil {
				t.Fatalf("%v after\n%v", err, second)
			}
			if got, want := second.String(), first.String(); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if os.Getenv("SHOW") != "" {
				t.Logf("\n%.6000s", first)
			}
		})
	}
}

func TestScript_ShowsThatAnswersDiffer(t *testing.T) {
	pg := SharedPostgres(t)
	script, err := ParseScript("clock", "# The clock moves.\na> Query \"select clock_timestamp()\"\nwait 1")
	if err != nil {
		t.Fatal(err)
	}
	dial := func(string) (*Wire, error) { return pg.Dial("postgres"), nil }
	first, err := script.Run(dial)
	if err != nil {
		t.Fatal(err)
	}
	if second, err := script.Run(dial); err != nil || first.String() == second.String() {
		t.Errorf("got the same time twice, or %v:\n%v", err, second)
	}
}

func TestParseScript_RefusesWhatItDoesNotUnderstand(t *testing.T) {
	for _, text := range []string{
		"", "# prose only", "wait 1", "Query \"x\"\nwait 1", "a> Query \"x\"", "a> Question\nwait 1", "a> Query \"x\" y\nwait 1",
		"a> Query \"x\nwait 0", "a> wait never", "a> Bind p s [\"1\"\nwait 1", "a> Bind p s [one]\nwait 1",
		"a> Bind p s [xzz]\nwait 1", "a> Describe XY p\nwait 1", "a> Execute p many\nwait 1", "a> raw 5\nwait 1", "a> Query\nwait 1",
		"a> Bind p s [\nwait 1", "a> Bind p s [,\nwait 1", "a> Bind p s [,]\nwait 1",
	} {
		if _, err := ParseScript("bad", text); err == nil {
			t.Errorf("%q was understood", text)
		}
	}
}

func TestParseScript_BuildsTheMessages(t *testing.T) {
	for line, want := range map[string]string{
		`Query "a\nb"`:                       "Q\x00\x00\x00\x08a\nb\x00",
		`Parse s "x" [23, 25]`:               "P\x00\x00\x00\x12s\x00x\x00\x00\x02\x00\x00\x00\x17\x00\x00\x00\x19",
		`Bind "" s [null, "a,]", x00ff] [1]`: "B\x00\x00\x00\x20\x00s\x00\x00\x01\x00\x01\x00\x03\xff\xff\xff\xff\x00\x00\x00\x03a,]\x00\x00\x00\x02\x00\xff\x00\x00",
		`Describe S s`:                       "D\x00\x00\x00\x07Ss\x00",
		`Close P ""`:                         "C\x00\x00\x00\x06P\x00",
		`Execute p 2`:                        "E\x00\x00\x00\x0ap\x00\x00\x00\x00\x02",
		`CopyFail why`:                       "f\x00\x00\x00\x08why\x00",
		`raw 5300000004`:                     "S\x00\x00\x00\x04",
	} {
		script, err := ParseScript("good", "a> "+line+"\nwait 1")
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if got := string(script.lines[0].message); got != want {
			t.Errorf("%s: got %q, want %q", line, got, want)
		}
	}
}

func TestNormalise_LeavesOutOnlyWhatMayDiffer(t *testing.T) {
	in := []Message{
		{'S', []byte("b")}, {'S', []byte("a")}, {'K', []byte("key")}, {'S', []byte("0")}, {'Z', []byte("I")},
		{'S', []byte("d")}, {'D', []byte("row")}, {'S', []byte("c")}, {'A', []byte("pid!rest")}, {'A', []byte("p")},
	}
	var got []string
	for _, m := range Normalise(in) {
		got = append(got, string(m.Type)+string(m.Body))
	}
	want := "S0 Sa Sb ZI Sd Drow Sc A\x00\x00\x00\x00rest A\x00"
	if strings.Join(got, " ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if string(in[8].Body) != "pid!rest" {
		t.Error("the argument was changed")
	}
}

func TestWire_LogsInWithAPassword(t *testing.T) {
	pg := StartPostgres(t, WithHBA("host all all 127.0.0.1/32 password"), WithMaxConnections(10), WithSetting("work_mem", "5MB"))
	pg.Exec("create role app login password 'pw'")
	login := Login{User: "app", Database: "postgres", Password: "pw", Params: map[string]string{"application_name": "wire"}}
	w, err := Dial(t.Context(), pg.Addr(), login)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	got, err := w.Ask(Query("show application_name; show work_mem"))
	if err != nil || len(got) != 7 || !strings.Contains(got[1].String(), "wire") || !strings.Contains(got[4].String(), "5MB") {
		t.Errorf("got %v, %v", got, err)
	}
	pg.Restart()
	if m, err := w.Receive(); err != nil || !strings.Contains(m.String(), "57P01") {
		t.Errorf("after a restart: got %v, %v, want 57P01", m, err)
	}
	login.Password = "wrong"
	if _, err := Dial(t.Context(), pg.Addr(), login); err == nil || !strings.Contains(err.Error(), "28P01") {
		t.Errorf("wrong password: got %v, want 28P01", err)
	}
}
