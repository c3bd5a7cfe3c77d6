package settings

import "strings"

// A Trait is a set of facts about a parameter. What has no line in the table has none of them.
type Trait uint16

const (
	// Reported: servers tell its value at login, and whenever it changes, by ParameterStatus; some only from a version on.
	Reported Trait = 1 << iota
	// Fixed: it describes the server or the login. No SET by its name changes it for a client.
	Fixed
	// Silent: it decides whether, when and how fast an answer comes, and who asks for it, but not what the answer says.
	Silent
	// Follows: it may follow a client from server to server, and into the key of the cache, though servers do not report it: its
	// effect is known to end with the statements of the session that set it.
	Follows
	// Names: what the names in a text mean, or whose rights count, hangs on it.
	Names
	// Recodes: it hangs on it how the bytes of a text are read.
	Recodes
	// Hidden: pg_settings does not show it.
	Hidden
	// Stays: RESET ALL leaves it alone.
	Stays
	// Transient: each transaction sets it anew.
	Transient
)

// A Parameter is one line of the table.
type Parameter struct {
	Name   string // As the server spells it.
	Traits Trait
	// Since is the first major version of PostgreSQL that has the parameter; 0: every supported one.
	Since int
}

// parameters is the one table of the parameters that Overdrive knows something about, in the order of their keys. A test compares
// it with the server's own.
var parameters = []Parameter{
	{"application_name", Reported | Silent, 0},
	{"array_nulls", Follows, 0},
	{"bytea_output", Follows, 0},
	{"client_encoding", Reported | Recodes, 0},
	{"client_min_messages", Follows, 0},
	{"DateStyle", Reported, 0},
	{"default_text_search_config", Follows, 0},
	{"default_transaction_isolation", Follows, 0},
	{"default_transaction_read_only", Reported | Silent, 0}, // reported from 14 on
	{"extra_float_digits", Follows, 0},
	{"geqo", Follows | Silent, 0},
	{"idle_in_transaction_session_timeout", Follows | Silent, 0},
	{"idle_session_timeout", Follows | Silent, 14},
	{"in_hot_standby", Reported | Fixed, 14},
	{"integer_datetimes", Reported | Fixed, 0},
	{"IntervalStyle", Reported, 0},
	{"is_superuser", Reported | Fixed | Hidden | Stays, 0},
	{"jit", Follows | Silent, 0},
	{"lc_messages", Follows, 0},
	{"lc_monetary", Follows, 0},
	{"lc_numeric", Follows, 0},
	{"lc_time", Follows, 0},
	{"lock_timeout", Follows | Silent, 0},
	{"plan_cache_mode", Follows | Silent, 0},
	{"random_page_cost", Follows | Silent, 0},
	{"role", Follows | Names | Hidden | Stays, 0},
	{"row_security", Follows | Names, 0},
	{"scram_iterations", Reported | Silent, 16},
	{"search_path", Follows | Names, 0}, // reported from 18 on
	{"server_encoding", Reported | Fixed, 0},
	{"server_version", Reported | Fixed, 0},
	{"session_authorization", Reported | Fixed | Names | Hidden | Stays, 0},
	{"standard_conforming_strings", Reported | Recodes, 0},
	{"statement_timeout", Follows | Silent, 0},
	{"tcp_keepalives_idle", Follows | Silent, 0},
	{"tcp_user_timeout", Follows | Silent, 0},
	{"TimeZone", Reported, 0},
	{"transaction_deferrable", Transient | Stays, 0},
	{"transaction_isolation", Transient | Stays, 0},
	{"transaction_read_only", Transient | Stays, 0},
	{"transform_null_equals", Follows, 0},
	{"work_mem", Follows | Silent, 0},
	{"xmlbinary", Follows, 0},
	{"xmloption", Follows, 0},
}

// traits is the table by key.
var traits = func() map[string]Trait {
	m := make(map[string]Trait, len(parameters))
	for _, p := range parameters {
		m[Fold(p.Name)] = p.Traits
	}
	return m
}()

// Parameters returns the table, in the order of the keys. It must not be changed.
func Parameters() []Parameter { return parameters }

// Has says whether the parameter of this key has one of the traits.
func Has(key string, t Trait) bool { return traits[key]&t != 0 }

// With returns the keys of the parameters that have all of the traits, in order.
func With(t Trait) []string {
	var keys []string
	for _, p := range parameters {
		if p.Traits&t == t {
			keys = append(keys, Fold(p.Name))
		}
	}
	return keys
}

// Settable says whether a parameter that a server reports can be set by a client. The others describe the server.
func Settable(name string) bool { return !Has(Fold(name), Fixed) }

// MayFollow says whether a parameter that servers do not report may follow a client from server to server, and into the key of the
// cache: one that has the trait, one of the user's own, which policies read, or one of an extension.
func MayFollow(key string) bool { return Has(key, Follows) || strings.Contains(key, ".") }

// Rename says whether what texts and names mean, or whose rights count, hangs on any of the keys, one of which may be "all".
func Rename(keys []string) bool { return anyHas(keys, Names|Recodes) }

// Recode says whether it hangs on any of the keys, one of which may be "all", how texts are read.
func Recode(keys []string) bool { return anyHas(keys, Recodes) }

func anyHas(keys []string, t Trait) bool {
	for _, key := range keys {
		if key == "all" || Has(key, t) {
			return true
		}
	}
	return false
}
