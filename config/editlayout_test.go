package config

import (
	"errors"
	"testing"
)

func TestEdit_KeepsEverythingElse(t *testing.T) {
	for _, c := range []struct {
		name, before string
		change       func(*Draft) error
		after        string
	}{
		{"a database is added behind the last one and its comments", head + `
databases: # all of them
  shop:
    url: postgres://app:x@db/shop # the shop
    #pool:
    #  size: 3

# The end.
`, addDatabase, head + `
databases: # all of them
  shop:
    url: postgres://app:x@db/shop # the shop
    #pool:
    #  size: 3
  new:
    url: postgres://app:x@db/new
    cache:
      enabled: false
      max_age: 5s

# The end.
`},
		{"blank lines between databases, four spaces, no newline at the end", head + `databases:
    shop:
        url: postgres://app:x@db/shop

    other:
        url: postgres://app:x@db/other`, addDatabase, head + `databases:
    shop:
        url: postgres://app:x@db/shop

    other:
        url: postgres://app:x@db/other

    new:
        url: postgres://app:x@db/new
        cache:
            enabled: false
            max_age: 5s
`},
		{"CRLF stays", "auth: {method: trust}\r\ndatabases:\r\n  shop:\r\n    url: postgres://app:x@db/shop\r\n", setSize,
			"auth: {method: trust}\r\ndatabases:\r\n  shop:\r\n    url: postgres://app:x@db/shop\r\n    pool:\r\n      size: 5\r\n"},
		{"a scalar is changed in its place", head + "databases:\n  shop:\n    url:   'postgres://app:x@db/shop'\t# a tab\tand 'quote\n    pool: {mode: session, size: 20, min_idle: 1} # small\n",
			func(d *Draft) error { return errors.Join(setSize(d), setURL(d)) },
			head + "databases:\n  shop:\n    url:   postgres://app:y@db2/shop\t# a tab\tand 'quote\n    pool: {mode: session, size: 5, min_idle: 1} # small\n"},
		{"flow style on one line", head + "databases: {shop: {url: 'postgres://app:x@db/shop'}}\n", addDatabase,
			head + "databases: {shop: {url: 'postgres://app:x@db/shop'}, new: {url: postgres://app:x@db/new, cache: {enabled: false, max_age: 5s}}}\n"},
		{"flow style, a trailing comma, deeper", head + "databases: {shop: {url: \"postgres://app:x@db/shop\", pool: {mode: session,}}, }\n", setSize,
			head + "databases: {shop: {url: \"postgres://app:x@db/shop\", pool: {mode: session, size: 5}}, }\n"},
		{"flow style over lines", head + `databases: {
  shop: {url: "postgres://app:x@db/shop"}, # the shop {
  b: {url: "postgres://app:x@db/b"} # the b }
} # all
`, addDatabase, head + `databases: {
  shop: {url: "postgres://app:x@db/shop"}, # the shop {
  b: {url: "postgres://app:x@db/b"}, # the b }
  new: {
    url: postgres://app:x@db/new,
    cache: {
      enabled: false,
      max_age: 5s
    }
  }
} # all
`},
		{"removed from flow style over lines", head + `databases: {
  shop: {url: "postgres://app:x@db/shop"}, # the shop
  b: {url: "postgres://app:x@db/b"} # the b
}
`, removeShop, head + `databases: {
  b: {url: "postgres://app:x@db/b"} # the b
}
`},
		{"the last removed from flow style over lines", head + `databases: {
  b: {url: "postgres://app:x@db/b"}, # the b
  shop: {url: "postgres://app:x@db/shop"}
}
`, removeShop, head + `databases: {
  b: {url: "postgres://app:x@db/b"} # the b
}
`},
		{"the last removed from flow style on one line", head + "databases: {b: {url: postgres://app@db/b}, shop: {url: postgres://app@db/shop}}\n", removeShop,
			head + "databases: {b: {url: postgres://app@db/b}}\n"},
		{"removed with its comment, those of others stay", head + `databases:
  # The b.
  b:
    url: postgres://app@db/b

  # The shop,
  # of which there is one.
  shop:
    # Inside.
    url: postgres://app@db/shop
    #pool: {}

  # The c.
  c:
    url: postgres://app@db/c
`, removeShop, head + `databases:
  # The b.
  b:
    url: postgres://app@db/b

  # The c.
  c:
    url: postgres://app@db/c
`},
		{"an empty table, with a comment for it", head + "databases:\n  # none yet\nlog: {level: info}\n", addDatabase,
			head + "databases:\n  # none yet\n  new:\n    url: postgres://app:x@db/new\n    cache:\n      enabled: false\n      max_age: 5s\nlog: {level: info}\n"},
		{"braces become lines", head + "databases: {} # none yet\nlog: {level: info}\n", addDatabase,
			head + "databases: # none yet\n  new:\n    url: postgres://app:x@db/new\n    cache:\n      enabled: false\n      max_age: 5s\nlog: {level: info}\n"},
		{"null becomes a table", head + "databases: ~ # none\n", addDatabase,
			head + "databases: {new: {url: postgres://app:x@db/new, cache: {enabled: false, max_age: 5s}}} # none\n"},
		{"a file without databases", head + "# the end\n...\n", addDatabase,
			head + "\ndatabases:\n  new:\n    url: postgres://app:x@db/new\n    cache:\n      enabled: false\n      max_age: 5s\n# the end\n...\n"},
		{"quoted keys", head + "\"databases\":\n  'shop': {\"url\": postgres://app@db/shop}\n  \"b\\u0062\":\n    url: postgres://app@db/b\n", removeShop,
			head + "\"databases\":\n  \"b\\u0062\":\n    url: postgres://app@db/b\n"},
		{"what comes by an alias is written out where it is changed", head + `databases:
  a: {url: postgres://app@db/a, pool: &small {size: 3, mode: session}}
  shop: {url: postgres://app@db/shop, pool: *small}
`, setSize, head + `databases:
  a: {url: postgres://app@db/a, pool: &small {size: 3, mode: session}}
  shop: {url: postgres://app@db/shop, pool: {mode: session, size: 5}}
`},
		{"what comes by a merge is written out where it is changed", head + `databases:
  a: &all
    url: postgres://app@db/a
    pool: {size: 3, mode: session}
  shop:
    <<: *all
    url: postgres://app@db/shop
`, setSize, head + `databases:
  a: &all
    url: postgres://app@db/a
    pool: {size: 3, mode: session}
  shop:
    <<: *all
    url: postgres://app@db/shop
    pool:
      mode: session
      size: 5
`},
		{"a byte order mark, letters of two bytes", "\uFEFFauth: {method: trust}\ndatabases: {ä: {url: postgres://app@db/ä}, shop: {url: postgres://app@db/b}}\n", setURL,
			"\uFEFFauth: {method: trust}\ndatabases: {ä: {url: postgres://app@db/ä}, shop: {url: postgres://app:y@db2/shop}}\n"},
		{"a text behind a bar", head + "databases:\n  shop:\n    url: >-\n      postgres://app@db/shop\n    users: []\n  # left\n  c: {url: postgres://app@db/c}\n", removeShop,
			head + "databases:\n  # left\n  c: {url: postgres://app@db/c}\n"},
		{"a plain text on two lines", head + "databases:\n  shop: {url: postgres://app@db/shop, pool: {mode: session}}\n  c: {url: postgres://app@db/c,\n      cache: {rules: [{match: a b\n        c, max_age: 1}]}}\n", addDatabase,
			head + "databases:\n  shop: {url: postgres://app@db/shop, pool: {mode: session}}\n  c: {url: postgres://app@db/c,\n      cache: {rules: [{match: a b\n        c, max_age: 1}]}}\n  new:\n    url: postgres://app:x@db/new\n    cache:\n      enabled: false\n      max_age: 5s\n"},
		{"a key without a value", head + "databases:\n  c: {url: postgres://app@db/c}\n  shop:\n    url: postgres://app@db/shop\n    pool:\n", setSize,
			head + "databases:\n  c: {url: postgres://app@db/c}\n  shop:\n    url: postgres://app@db/shop\n    pool:\n      size: 5\n"},
		{"a list that is not indented", head + "databases:\n  shop:\n    url: postgres://app@db/shop\n    cache:\n      rules:\n      - {tables: [a], max_age: 1}\n      - tables: [b]\n        max_age: 2\n", setSize,
			head + "databases:\n  shop:\n    url: postgres://app@db/shop\n    cache:\n      rules:\n      - {tables: [a], max_age: 1}\n      - tables: [b]\n        max_age: 2\n    pool:\n      size: 5\n"},
	} {
		got, err := edited(t, ".yaml", c.before, c.change)
		if err != nil || got != c.after {
			t.Errorf("%s: %v, got\n%s\nwant\n%s", c.name, err, got, c.after)
		}
	}
}

func TestEdit_OfJSONKeepsOrderAndLayout(t *testing.T) {
	const before = `{
    "databases": {
        "shop": {"url": "postgres:\/\/app@db/shop", "users": null},
        "b": {
            "url": "postgres://app@db/b"
        }
    },
    "auth": {"method": "trust", "users": {"\ud83d\ude00": "x"}}
}`
	got, err := edited(t, ".json", before, func(d *Draft) error { return errors.Join(addDatabase(d), setSize(d)) })
	want := `{
    "databases": {
        "shop": {"url": "postgres:\/\/app@db/shop", "users": null, "pool": {"size": 5}},
        "b": {
            "url": "postgres://app@db/b"
        },
        "new": {
            "url": "postgres://app:x@db/new",
            "cache": {
                "enabled": false,
                "max_age": "5s"
            }
        }
    },
    "auth": {"method": "trust", "users": {"\ud83d\ude00": "x"}}
}`
	if err != nil || got != want {
		t.Errorf("%v, got\n%s\nwant\n%s", err, got, want)
	}
	got, err = edited(t, ".json", want, func(d *Draft) error { return errors.Join(removeShop(d), d.Remove("databases", "new")) })
	want = `{
    "databases": {
        "b": {
            "url": "postgres://app@db/b"
        }
    },
    "auth": {"method": "trust", "users": {"\ud83d\ude00": "x"}}
}`
	if err != nil || got != want {
		t.Errorf("%v, got\n%s\nwant\n%s", err, got, want)
	}
}
