package postgres_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/proxytest"
)

// What a client asked for at login and what it set since are in force wherever its statements run, and nobody else's are.
func TestSettings_FollowTheirClientOverSharedServers(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "follow", "create schema s0; create schema s1; create schema s2; create table s0.t as select 's0' as a;"+
		"create table s1.t as select 's1' as a; create table s2.t as select 's2' as a")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "follow", Size: 2, Caching: true})
	zones := []string{"Asia/Tokyo", "America/New_York", "Europe/Berlin"}
	var all sync.WaitGroup
	for i := range 9 {
		c := in.Connect(t, "follow", rig.With("timezone", zones[i%3]), rig.With("application_name", fmt.Sprintf("client %d", i)),
			rig.With("options", fmt.Sprintf("-c search_path=s%d", i%3)))
		all.Go(func() {
			zone := zones[i%3]
			for round := range 20 {
				if round%5 == 4 { // a change on the way, in one of the ways there are
					zone = zones[(i+round)%3]
					set := []string{"set timezone to '%s'", "begin; set timezone to '%s'; commit", "set session time zone '%s'"}[(i+round)%3]
					if _, err := rig.Try(t.Context(), c, fmt.Sprintf(set, zone)); err != nil {
						t.Error(err)
						return
					}
				}
				want := fmt.Sprintf("%s,client %d,s%d", zone, i, i%3)
				got, err := rig.Try(t.Context(), c, "select current_setting('timezone'), current_setting('application_name'), a from t")
				if err != nil || got != want {
					t.Errorf("client %d, round %d, simple: got %s, %v, want %s", i, round, got, err, want)
				}
				got, err = rig.AskExtended(t.Context(), c, 0, "select current_setting('timezone'), current_setting('application_name'), a from t where a <> $1", "x")
				if err != nil || got != want {
					t.Errorf("client %d, round %d, extended: got %s, %v, want %s", i, round, got, err, want)
				}
				if got := c.ParameterStatus("TimeZone"); got != zone {
					t.Errorf("client %d was told %s, want %s", i, got, zone)
				}
			}
		})
	}
	all.Wait()
}

// RESET and DISCARD ALL return to what the client's login said, not to what the server's says.
func TestSettings_ResetReturnsToTheLogin(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "reset_to_login", "")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "reset_to_login", Size: 2})
	c := in.Connect(t, "reset_to_login", rig.With("timezone", "Asia/Tokyo"), rig.With("options", "-c work_mem=7MB -c extra_float_digits=0"))
	other := in.Connect(t, "reset_to_login")
	const show = "select current_setting('timezone'), current_setting('work_mem'), current_setting('extra_float_digits')"
	const want = "Asia/Tokyo,7MB,0"
	for _, sql := range []string{
		"select 1", "set timezone = 'UTC'; reset timezone", "set work_mem = '8MB'; reset work_mem", "set extra_float_digits = 3; reset all",
		"reset all", "discard all", "set timezone to default", "begin; set timezone = 'UTC'; rollback", "begin; set local work_mem = '9MB'; commit",
		"begin; set work_mem = '9MB'; rollback", "set session characteristics as transaction read write",
	} {
		for _, one := range strings.SplitAfter(sql, ";") {
			rig.Ask(t, c, one)
		}
		for range 3 {
			if got := rig.Ask(t, c, show); got != want {
				t.Errorf("after %s: got %s, want %s", sql, got, want)
			}
			if got := rig.Ask(t, other, show); got != "UTC,4MB,1" {
				t.Errorf("after %s another client has %s", sql, got)
			}
		}
	}
}

// A failed or rolled back SET changes nothing, and is not carried to another server.
func TestSettings_RolledBackSetIsForgotten(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "rolled_back_set", "")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "rolled_back_set", Size: 2})
	c, others := in.Connect(t, "rolled_back_set"), []*pgconn.PgConn{in.Connect(t, "rolled_back_set"), in.Connect(t, "rolled_back_set")}
	for _, sql := range []string{
		"begin; set timezone = 'Asia/Tokyo'; rollback",
		"begin; set timezone = 'Asia/Tokyo'; savepoint s; set timezone = 'Europe/Berlin'; rollback to s; set timezone = 'UTC'; commit",
		"begin; set local timezone = 'Asia/Tokyo'; commit",
		"set timezone = 'Nowhere'",
		"set timezone = 'Asia/Tokyo'; select 1/0",
	} {
		_, err := rig.Try(t.Context(), c, sql)
		if code := rig.State(err); code != "" && code != "22023" && code != "22012" {
			t.Fatalf("%s: %v", sql, err)
		}
		for _, asker := range append(others, c) {
			if got := rig.Ask(t, asker, "show timezone"); got != "UTC" {
				t.Errorf("after %s the time zone is %s, want UTC", sql, got)
			}
		}
	}
}

// What is too large to be asked back keeps the client on its server.
func TestSettings_TooLargeToBeAskedBackPin(t *testing.T) {
	t.Parallel()
	in := rig.Start(t, rig.Setup{Upstream: rig.NewDatabase(t, "settings_large", "").Addr(), Database: "settings_large", Size: 1})
	c := in.Connect(t, "settings_large")
	large := strings.Repeat("x", 200<<10)
	rig.Ask(t, c, "begin")
	rig.Ask(t, c, "set my.a = '"+large+"'")
	rig.Ask(t, c, "set my.b = '"+large+"'")
	rig.Ask(t, c, "commit")
	if got := rig.Ask(t, c, "select length(current_setting('my.a')) + length(current_setting('my.b'))"); got != "409600" {
		t.Errorf("got %s", got)
	}
	if got := rig.Ask(t, c, "show overdrive.pinned"); !strings.Contains(got, "cannot follow") {
		t.Errorf("pinned by %q", got)
	}
}

// A function may become somebody else for the rest of the session.
func TestSettings_SessionAuthorizationOfAFunctionPins(t *testing.T) {
	t.Parallel()
	proxytest.ChangesCluster(t)
	pg := rig.NewDatabase(t, "settings_authorization", `create function becomes(who text) returns void language plpgsql as
		$$ begin execute format('set session authorization %I', who); end $$`)
	pg.Exec("drop role if exists settings_somebody; create role settings_somebody")
	t.Cleanup(func() { pg.Exec("drop role settings_somebody") })
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "settings_authorization", Size: 1})
	c := in.Connect(t, "settings_authorization")
	rig.Ask(t, c, "select becomes('settings_somebody')")
	if got := rig.Ask(t, c, "show overdrive.pinned"); !strings.Contains(got, "cannot follow") {
		t.Errorf("pinned by %q", got)
	}
	if got := rig.Ask(t, c, "select session_user"); got != "settings_somebody" {
		t.Errorf("got %s", got)
	}
	rig.Ask(t, c, "discard all")
	if got := rig.Ask(t, c, "show overdrive.pinned"); got != "" {
		t.Errorf("after DISCARD ALL pinned by %q", got)
	}
}
