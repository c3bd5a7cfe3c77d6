package postgres_test

import (
	"fmt"
	"testing"

	"overdrive/proxy/proxytest/rig"

	"overdrive/proxy/proxytest"
)

// A login through the proxy says what a login at PostgreSQL says, in PostgreSQL's spelling, and the settings then hold on
// whatever server the client is given.
func TestAdmission_StartupSettingsAreAnsweredAsPostgresDoes(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "startup_settings", "create schema Œuvre; create table Œuvre.t as select 1 as a")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "startup_settings", Size: 2})
	login := proxytest.Login{User: "postgres", Database: "startup_settings"}
	defer keepBusy(t, in, login, 4)()
	for _, c := range []struct {
		params map[string]string
		show   string // a setting to look at after the login
	}{
		{nil, "timezone"},
		{map[string]string{"TIMEZONE": "europe/berlin"}, "timezone"},
		{map[string]string{"timezone": "Asia/Tokyo", "INTERVALSTYLE": "iso_8601"}, "timezone"}, // spelled right, and named in another case
		{map[string]string{"datestyle": "german"}, "datestyle"},
		{map[string]string{"DateStyle": "sql,dmy", "IntervalStyle": "ISO_8601"}, "intervalstyle"},
		{map[string]string{"application_name": "a 'quoted' \\ name"}, "application_name"},
		{map[string]string{"application_name": "naïve"}, "application_name"},
		{map[string]string{"client_encoding": "latin1"}, "client_encoding"},
		{map[string]string{"extra_float_digits": "-3"}, "extra_float_digits"},
		{map[string]string{"search_path": `"Œuvre", public`}, "search_path"},
		{map[string]string{"options": `-c search_path=pg_catalog,public -cextra_float_digits=2 --timezone=Asia/Tokyo`}, "search_path"},
		{map[string]string{"options": `--application-name=x`}, "application_name"},
		{map[string]string{"options": `-c application_name=two\ words\\`}, "application_name"},
		{map[string]string{"options": `-c application_name=options`, "application_name": "parameter"}, "application_name"},
		{map[string]string{"default_transaction_read_only": "yes", "standard_conforming_strings": "off"}, "transaction_read_only"},
		{map[string]string{"statement_timeout": "90000"}, "statement_timeout"},
		{map[string]string{"my.own": "Value"}, "my.own"},
		{map[string]string{"bytea_output": "escape", "work_mem": "5MB"}, "bytea_output"},
	} {
		login := login
		login.Params = c.params
		var logins, shown []string
		for _, address := range []string{pg.Addr(), in.Address} {
			w, err := proxytest.Dial(t.Context(), address, login)
			if err != nil {
				t.Fatalf("%v at %s: %v", c.params, address, err)
			}
			logins = append(logins, fmt.Sprint(proxytest.Normalise(w.Startup)))
			for range 5 {
				got, err := w.Ask(proxytest.Query("show " + c.show))
				shown = append(shown, fmt.Sprint(got, err))
			}
			w.Close()
		}
		if got, want := logins[1], logins[0]; got != want {
			t.Errorf("%v: login says\n%s\nwant\n%s", c.params, got, want)
		}
		for i, got := range shown[5:] {
			if want := shown[i]; got != want {
				t.Errorf("%v: %s is %s, want %s", c.params, c.show, got, want)
			}
		}
	}
}

// What the server will not have is refused at login, in its words.
func TestAdmission_ImpossibleStartupSettingsAreRefusedAsPostgresDoes(t *testing.T) {
	t.Parallel()
	pg := proxytest.SharedPostgres(t)
	var log rig.Captured
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "postgres", Size: 1, Options: log.Capture})
	for _, params := range []map[string]string{
		{"timezone": "Nowhere/Land"}, {"DateStyle": "upside down"}, {"client_encoding": "klingon"}, {"nosuchsetting": "1"},
		{"options": "-c nosuchsetting=1"}, {"options": "-c extra_float_digits=99"}, {"port": "1"},
		{"options": "-c work_mem=lots"}, {"server_version": "1"}, {"role": "nobody_at_all"},
	} {
		w, err := proxytest.DialRaw(t.Context(), pg.Addr())
		if err != nil {
			t.Fatal(err)
		}
		startup := proxytest.StartupMessage(proxytest.Login{User: "postgres", Database: "postgres", Params: params})
		if err := w.Send(startup); err != nil {
			t.Fatal(err)
		}
		_, refusal := untilReady(w.Conn())
		w.Close()
		want := rig.Fields(refusal)
		nc := in.Raw(t)
		if _, err := nc.Write(startup); err != nil {
			t.Fatal(err)
		}
		types, refusal := untilReady(nc)
		got := rig.Fields(refusal)
		for _, f := range []byte("SCM") {
			if got[f] != want[f] {
				t.Errorf("%v: field %c is %q (%s), want %q", params, f, got[f], types, want[f])
			}
		}
	}
	log.Await(t, "session ended", "settings refused", "SQLSTATE 22023")
	if log.Has("Nowhere") {
		t.Error("the log has a value that was refused")
	}
	if c := in.Connect(t, "postgres"); rig.Ask(t, c, "show timezone") != "UTC" {
		t.Error("a refused setting stayed on the server")
	}
}

func TestAdmission_MalformedOptionsAndTooManySettingsAreRefused(t *testing.T) {
	t.Parallel()
	in := rig.Start(t, rig.Setup{Upstream: "127.0.0.1:1", Database: "postgres", Size: 1, Options: new(rig.Captured).Capture})
	many := make(map[string]string)
	for i := range 501 {
		many[fmt.Sprintf("a.b%d", i)] = "1"
	}
	for want, params := range map[string]map[string]string{
		"22023": {"options": "-x"}, "53400": many, "0A000": {"replication": "database"},
	} {
		nc := in.Raw(t)
		startup := proxytest.StartupMessage(proxytest.Login{User: "postgres", Params: params})
		if _, err := nc.Write(startup); err != nil {
			t.Fatal(err)
		}
		if got, last := untilReady(nc); got != "E" || rig.Fields(last)['C'] != want {
			t.Errorf("got %s %v, want an error %s", got, last, want)
		}
	}
}
