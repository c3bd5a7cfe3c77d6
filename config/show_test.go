package config

import (
	"strings"
	"testing"
)

func TestValues_ShowEveryKeyAndNoSecret(t *testing.T) {
	cfg := mustLoad(t, Options{File: write(t, "o.yaml", `
auth: {users: {app: hidden1}}
databases: {shop: {url: "postgres://app:hidden2@db/shop", cache: {rules: [{max_age: 5s, tags: [a, b]}]}}}
`)})
	got := make(map[string]Value)
	for _, v := range cfg.Values() {
		got[v.Key] = v
		if strings.Contains(v.Value, "hidden") || strings.Contains(v.Default, "hidden") {
			t.Errorf("%s shows a secret: %+v", v.Key, v)
		}
	}
	for key, want := range map[string]Value{
		"listen":                                      {Value: "127.0.0.1:6432", Default: "127.0.0.1:6432"},
		"loops":                                       {Value: "0", Default: "0"},
		"auth.users.app":                              {Value: redacted},
		"databases.shop.pool.size":                    {Value: "20", Default: "20"},
		"databases.shop.cache.max_age":                {Value: "1m", Default: "1m"},
		"databases.shop.cache.rules[0].max_age":       {Value: "5s"},
		"databases.shop.cache.rules[0].tags":          {Value: "a,b"},
		"databases.shop.cache.stale_while_revalidate": {Value: "15s", Default: "15s"},
	} {
		want.Key = key
		if got[key] != want {
			t.Errorf("%s: got %+v, want %+v", key, got[key], want)
		}
	}
	if v, shown := got["databases.shop.cache.rules[0].enabled"]; shown {
		t.Errorf("a setting that a rule leaves alone is shown: %+v", v)
	}
	if _, shown := got["databases.shop.Upstream"]; shown {
		t.Error("what is derived is shown")
	}
}
