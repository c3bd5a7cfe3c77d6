package config

import (
	"strings"
	"testing"
)

func TestWith_ChangesOneKeyOfACopy(t *testing.T) {
	cfg, problems := FromConnectionString("postgres://app:pw@db/shop", nil)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for _, c := range []struct {
		path, value, wrong string
	}{
		{"log level", "debug", ""}, {"limits max_message", "1MiB", ""}, {"databases shop pool size", "7", ""},
		{"databases shop cache enabled", "off", ""}, {"databases shop pool idle_timeout", "5s", ""},
		{"log level", "loud", "log.level: must be one of"}, {"log nosuch", "1", "log.nosuch: is not a key"},
		{"limits", "1", "limits: is not a key"}, {"listen", "a", "listen: is not a key"}, {"databases", "a", "databases: is not a key"},
		{"databases shop", "a", "databases.shop: is not a key"}, {"databases none pool size", "1", "databases.none.pool.size: is not a key"},
		{"databases shop pool size", "0", "databases.shop.pool.size: must be at least 1"}, {"limits max_clients", "x", `must be a whole number, got "x"`},
		{"log level debug", "x", "log.level.debug: is not a key"}, {"databases shop pool size x", "1", "is not a key"},
	} {
		path := strings.Fields(c.path)
		after, err := cfg.With(path, c.value)
		if c.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), c.wrong) {
				t.Errorf("%s = %s: got %v, want %q", c.path, c.value, err, c.wrong)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s = %s: %v", c.path, c.value, err)
			continue
		}
		before := cfg.Values()
		for i, v := range after.Values() {
			changed := v.Key == joinAll(path)
			if (v.Value != before[i].Value) != changed {
				t.Errorf("%s = %s: %s was %s and is %s", c.path, c.value, v.Key, before[i].Value, v.Value)
			}
		}
		if after.Databases["shop"].Upstream.Address == "" || after.Databases["shop"].Upstream.Address != cfg.Databases["shop"].Upstream.Address {
			t.Errorf("%s: the upstream changed", c.path)
		}
	}
}
