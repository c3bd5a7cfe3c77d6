package upstream

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"overdrive/proxy/postgres/pgauth"
	"overdrive/proxy/postgres/pgwire"
)

// configFields is all that a pgconn.Config for someTarget says, functions aside, and what a login with it sends.
func configFields(t *testing.T) string {
	t.Helper()
	config, err := someTarget.config("app")
	if err != nil {
		t.Fatal(err)
	}
	fields := make(map[string]any)
	v := reflect.ValueOf(config).Elem()
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.IsExported() && f.Type.Kind() != reflect.Func {
			fields[f.Name] = v.Field(i).Interface()
		}
	}
	s := script(msg('R', "\x00\x00\x00\x03"), good)
	secret, err := pgauth.PlainSecret("mine")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := login(s, someTarget, pgauth.NewCredential("app", secret)); err != nil {
		t.Fatal(err)
	}
	_, startup, err := pgwire.ReadStartup(&s.out)
	if err != nil {
		t.Fatal(err)
	}
	fields["startup"], fields["password"] = pairs(string(startup)), s.out.String()
	b, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// hostileEnvironment names every variable that libpq knows, and has all the files that it looks for.
func hostileEnvironment(t *testing.T) []string {
	t.Helper()
	home := t.TempDir()
	for name, content := range map[string]string{
		".pgpass": "*:*:*:*:evil\n", ".pg_service.conf": "[evil]\nhost=evil\npassword=evil\n",
		".postgresql/root.crt": "evil", ".postgresql/postgresql.crt": "evil", ".postgresql/postgresql.key": "evil",
	} {
		path := filepath.Join(home, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	environment := append(os.Environ(), "HOME="+home, "PGSERVICEFILE="+home+"/.pg_service.conf", "PGPASSFILE="+home+"/.pgpass")
	for _, name := range strings.Fields(`PGHOST PGHOSTADDR PGPORT PGDATABASE PGUSER PGPASSWORD PGREQUIREAUTH PGCHANNELBINDING
		PGSERVICE PGOPTIONS PGAPPNAME PGSSLMODE PGREQUIRESSL PGSSLNEGOTIATION PGSSLCOMPRESSION PGSSLCERT PGSSLKEY PGSSLCERTMODE
		PGSSLROOTCERT PGSSLCRL PGSSLCRLDIR PGSSLSNI PGSSLPASSWORD PGREQUIREPEER PGSSLMINPROTOCOLVERSION PGSSLMAXPROTOCOLVERSION
		PGGSSENCMODE PGKRBSRVNAME PGGSSLIB PGGSSDELEGATION PGCONNECT_TIMEOUT PGCLIENTENCODING PGTARGETSESSIONATTRS
		PGLOADBALANCEHOSTS PGMINPROTOCOLVERSION PGMAXPROTOCOLVERSION PGDATESTYLE PGTZ PGGEQO PGSYSCONFDIR PGLOCALEDIR`) {
		environment = append(environment, name+"=evil")
	}
	return environment
}

// A login is the Target's and nobody else's: neither libpq's environment nor its files in the home directory nor a service file
// have a say, and none keeps us from logging in.
func TestLogin_HearsNothingOfLibpqsEnvironment(t *testing.T) {
	const asked = "OVERDRIVE_TEST_CONFIG"
	if os.Getenv(asked) != "" {
		t.Log("fields " + configFields(t))
		if service := os.Getenv("PGSERVICE"); os.Getenv("PGHOST") == "evil" && service != "evil" {
			t.Errorf("PGSERVICE is %q afterwards", service)
		}
		return
	}
	fields := func(environment []string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(environment, asked+"=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		_, said, _ := strings.Cut(string(out), "fields ")
		line, _, _ := strings.Cut(said, "\n")
		return line
	}
	got, want := fields(hostileEnvironment(t)), fields([]string{"HOME=/nowhere"})
	if got != want || want == "" {
		t.Errorf("got %s\nwant %s", got, want)
	}
}
