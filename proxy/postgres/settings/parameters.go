package settings

// A Trait is a set of facts about a parameter. What has no line in the table has none of them.
type Trait uint16

const (
	// Reported: servers tell its value at login, and whenever it changes, by ParameterStatus; some only from a version on.
	Reported Trait = 1 << iota
	// Fixed: it describes the server or the login. No SET by its name changes it for a client.
	Fixed
	// Silent: it decides whether, when and how fast an answer comes, and who asks for it, but not what the answer says.
	Silent
	// Stuck: it cannot follow a client from server to server. Its line says why.
	Stuck
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
	{"client_encoding", Reported | Recodes, 0},
	{"DateStyle", Reported, 0},
	{"default_transaction_deferrable", Silent, 0},
	{"default_transaction_read_only", Reported | Silent, 0}, // reported from 14 on
	{"geqo", Silent, 0},
	{"idle_in_transaction_session_timeout", Silent, 0},
	{"idle_session_timeout", Silent, 14},
	{"in_hot_standby", Reported | Fixed, 14},
	{"integer_datetimes", Reported | Fixed, 0},
	{"IntervalStyle", Reported, 0},
	{"is_superuser", Reported | Fixed | Hidden | Stays, 0},
	{"jit", Silent, 0},
	{"lock_timeout", Silent, 0},
	{"plan_cache_mode", Silent, 0},
	{"random_page_cost", Silent, 0},
	{"role", Names | Hidden | Stays, 0},
	{"row_security", Names, 0},
	{"scram_iterations", Reported | Silent, 16},
	{"search_path", Names, 0},           // reported from 18 on
	{"seed", Stuck | Hidden | Stays, 0}, // it sets off a series of numbers, and cannot be read
	{"server_encoding", Reported | Fixed, 0},
	{"server_version", Reported | Fixed, 0},
	{"session_authorization", Reported | Fixed | Names | Hidden | Stays, 0},
	{"standard_conforming_strings", Reported | Recodes, 0},
	{"statement_timeout", Silent, 0},
	{"synchronous_commit", Silent, 0},
	{"tcp_keepalives_idle", Silent, 0},
	{"tcp_user_timeout", Silent, 0},
	{"temp_buffers", Stuck, 0}, // it cannot be changed where temporary tables were used
	{"TimeZone", Reported, 0},
	{"transaction_deferrable", Transient | Stays, 0},
	{"transaction_isolation", Transient | Stays, 0},
	{"transaction_read_only", Transient | Stays, 0},
	{"work_mem", Silent, 0},
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

// MayFollow says whether a parameter that servers do not report can follow a client from server to server, and into the key of the
// cache. All can but those that describe the server, that each transaction sets anew, or that have a reason in the table.
func MayFollow(key string) bool { return !Has(key, Stuck|Fixed|Transient) }

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
